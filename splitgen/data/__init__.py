"""Labelled image datasets and the places they come from."""
