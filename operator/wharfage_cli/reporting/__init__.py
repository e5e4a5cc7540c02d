"""`wharfage report`: what was spent, by whom, for what, and what of it was wasted."""
