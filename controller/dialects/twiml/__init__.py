"""TwiML for Twilio accounts, and the same documents (LaML, cXML) for SignalWire's; their callbacks and signatures."""

from controller.dialects.twiml.dialect import TwimlDialect

__all__ = ["TwimlDialect"]
