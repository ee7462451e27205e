"""Tables as people have them, read so that no value becomes another, and the column that names their rows."""
