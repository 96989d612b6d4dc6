"""The numerical operations a model is made of, by device."""
