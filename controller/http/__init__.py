"""The HTTP side: routes of media, health and metrics, and the listener that every other room's routes share."""
