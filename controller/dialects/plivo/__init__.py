"""Plivo XML: its documents, the requests and callbacks that belong to it, and their signatures."""
