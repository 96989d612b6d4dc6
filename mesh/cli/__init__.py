"""The `rostra` command. The one place that may import every room, and does so lazily."""
