"""SignalWire's SWML: documents in YAML or JSON, recording callbacks, the signature of both."""

from controller.dialects.swml.dialect import SwmlDialect

__all__ = ["SwmlDialect"]
