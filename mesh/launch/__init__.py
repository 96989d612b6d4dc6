"""Where the workers of `rostra up` run: as processes of this host, or wherever Ray places them."""
