"""From what a source holds of an image to the pixels that a network sees."""
