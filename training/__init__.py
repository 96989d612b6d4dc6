"""What people preferred becomes training data, and training data an adapter."""
