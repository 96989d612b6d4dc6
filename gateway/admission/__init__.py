"""Who is let through to a worker, and when."""
