"""Who owns a leg, and the carrying out of documents on it (DESIGN sections 1, 4, 6)."""
