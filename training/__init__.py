"""Recipes that train the embedded model `mini`; never imported by the rest of layercast."""

import receiver.rendering  # noqa: F401  before torch, whose waiting threads it has sleep
