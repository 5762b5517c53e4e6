"""What developers try fsrec with: an application's end of the callbacks, and a caller.

Neither is part of the daemon. ``docker-compose.yml`` runs both beside it.
"""
