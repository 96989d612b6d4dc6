"""What keeps a request alive when a member of the mesh fails, and an outage from growing."""
