"""Where models are kept: names, downloads, conversion, checks."""
