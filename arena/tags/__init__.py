"""Category tags of battles: what was asked, in which language, how long, over how many turns."""
