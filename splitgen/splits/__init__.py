"""From tasks to a split: scores, class sides, selection, search, verification."""
