"""Commands that measure on a folder of pictures."""
