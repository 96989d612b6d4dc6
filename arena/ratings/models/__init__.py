"""Models of the votes, one to a file, each a PyMC model over a board."""
