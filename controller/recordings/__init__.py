"""The core: what a recording is and how it lives. Knows no dialect, no HTTP, no SQL (DESIGN section 2)."""
