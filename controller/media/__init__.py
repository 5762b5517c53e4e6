"""The audio files: measure, mend and cut masters, and say which copy is served (DESIGN section 2)."""
