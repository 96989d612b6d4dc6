"""Votes from files of other systems: what is good becomes a vote frame, what is not is reported."""
