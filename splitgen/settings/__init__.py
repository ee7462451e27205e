"""Settings: a dataclass a stage, the defaults by size, and the layers that they come from."""
