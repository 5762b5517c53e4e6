"""How each room is built: its parts, made from the settings, and how they end. ``app`` puts them together."""
