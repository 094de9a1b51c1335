"""Recipes that train the embedded model `mini`; never imported by the rest of layercast."""
