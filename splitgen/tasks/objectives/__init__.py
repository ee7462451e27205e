"""What networks are trained on, and what is made small of what they then say: one file an objective, one dict."""
