"""What the operator sees and changes while the arena runs."""
