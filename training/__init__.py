"""Recipes that train the embedded model `mini` and the codec's tables. The rest of layercast never imports them."""

import receiver.rendering  # noqa: F401 - before torch, which reads the environment variable that this package sets
