"""What is this task? Its association with classes, image statistics and the user's own columns, in words."""
