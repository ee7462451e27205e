"""Where datasets come from: one file a kind, and one dict of them."""
