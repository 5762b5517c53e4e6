"""Requests that fsrec makes: where they may go, what they look like, documents fetched (DESIGN section 7)."""
