"""Images are decoded once, by worker processes, into files that are mapped."""
