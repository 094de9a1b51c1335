"""Levels of a picture: a level is rendered from its own layer and those below."""

from codec.layers import Layer, Priors
from layercast_common.errors import UsageError


def parse_levels(text: str) -> frozenset[Layer]:
    """Parse level names such as "semantic,texture".

    Raises:
        UsageError: a name is not the name of a level.
    """
    known = {layer.name.lower(): layer for layer in Layer if layer is not Layer.DETAIL}
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if not names or not set(names) <= set(known):
        raise UsageError(f"levels are {', '.join(known)}, not {text!r}")
    return frozenset(known[name] for name in names)


def levels_of(priors: Priors, wanted: frozenset[Layer]) -> list[tuple[Layer, Priors]]:
    """Return each wanted level of the picture with the priors to render it from: its own layer and those below."""
    return [
        (level, priors.only(layer for layer in priors.layers if layer <= level))
        for level in sorted(priors.layers & wanted)
    ]
