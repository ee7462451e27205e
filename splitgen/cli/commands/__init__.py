"""A file a command. What is slow to load is loaded in a command, so that help and wrong usage are fast."""
