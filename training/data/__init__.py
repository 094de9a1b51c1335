"""Training data: pictures, composed scenes, captions and conditions."""
