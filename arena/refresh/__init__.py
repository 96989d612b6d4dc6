"""Ratings that keep up with the votes, computed in a process of their own."""
