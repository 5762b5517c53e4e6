"""What is given up, and in which order, when there is more to do, or less room, than fsrec can serve."""
