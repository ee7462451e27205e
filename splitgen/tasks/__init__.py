"""Task discovery and the agreement score."""
