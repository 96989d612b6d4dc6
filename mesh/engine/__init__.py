"""Scheduler, block manager, sampler and the loop that joins them."""
