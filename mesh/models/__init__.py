"""Model families, and how their weights are read."""
