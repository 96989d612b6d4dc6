"""Engine, models, workers, and the `rostra` command."""
