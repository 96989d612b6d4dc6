"""Named arenas side by side: who competes, who may vote, from when to when, under which name."""
