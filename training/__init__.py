"""Recipes that train the embedded model `mini` and the codec's tables. The rest of layercast never imports them."""
