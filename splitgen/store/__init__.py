"""The run folder: states by key, and what an earlier run recorded."""
