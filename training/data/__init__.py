"""Training pictures: tiles, composed scenes, captions and conditions."""
