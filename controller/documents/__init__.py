"""What a document asks of a call, in neutral steps; what a dialect is to the rest (DESIGN section 2)."""
