"""Plivo XML: its documents, the requests and callbacks that belong to it, and their signatures."""

from controller.dialects.plivo.dialect import PlivoDialect

__all__ = ["PlivoDialect"]
