"""Plivo XML, its requests and their signatures."""
