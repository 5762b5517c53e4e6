"""Text of finished recordings: engines behind one small interface, and the desk that gives them work."""
