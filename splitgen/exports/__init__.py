"""Splits in the formats that other libraries read, and back: one file a consumer."""
