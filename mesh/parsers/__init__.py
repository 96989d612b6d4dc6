"""From the text a model writes to content, reasoning and tool calls."""
