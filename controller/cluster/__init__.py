"""Several daemons on one database: who holds which switch, and what they ask of one another (DESIGN section 6)."""
