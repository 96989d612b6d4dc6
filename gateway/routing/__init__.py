"""Which worker a request goes to, and which models stand behind a name."""
