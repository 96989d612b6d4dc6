"""Who a voter is, what they may see and how often they may ask."""
