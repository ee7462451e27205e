"""The HTML report of a run: one self-contained file that explains which shortcut a split exploits."""
