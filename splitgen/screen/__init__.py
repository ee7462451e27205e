"""What people read in a terminal: the one sink, tables, and what a run holds."""
