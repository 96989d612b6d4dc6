"""Several processes that compute one model together: each holds a part of every layer."""
