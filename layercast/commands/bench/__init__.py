"""`layercast bench`: one module per subject."""
