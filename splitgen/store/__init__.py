"""The run folder: states by key, who may write, and what an earlier run recorded."""
