"""The web console, and the operators' API that the command line speaks (DESIGN section 2)."""
