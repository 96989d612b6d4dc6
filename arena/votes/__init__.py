"""Where battles and votes are kept."""
