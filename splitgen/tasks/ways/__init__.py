"""Ways to find tasks: one small function each, in one dict (`registry.WAYS`)."""
