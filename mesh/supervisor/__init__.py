"""Starts processes, restarts the dead, leaves none behind."""
