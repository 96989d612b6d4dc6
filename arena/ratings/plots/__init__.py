"""Figures of a posterior: each a function from it to a Bokeh figure, one to a file."""
