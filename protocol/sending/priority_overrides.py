"""What a receiver asked to have at another urgency than its sender chose."""

from collections.abc import Collection

from protocol.wire.packets import ALL_LAYERS, Prio

#: Wishes that are kept at a time.
MAX_WISHES = 256


class PriorityOverrides:
    """The urgencies that a receiver asked for. Its word counts before the sender's, the narrower one first."""

    def __init__(self) -> None:
        self._urgencies: dict[tuple[int, int], int] = {}

    def add(self, prio: Prio, open_pictures: Collection[int]) -> None:
        """Take a PRIO. Of pictures that are not open, none is kept."""
        if len(self._urgencies) >= MAX_WISHES:
            kept = {0, *open_pictures}
            self._urgencies = {wish: urgency for wish, urgency in self._urgencies.items() if wish[0] in kept}
        if (not prio.image or prio.image in open_pictures) and len(self._urgencies) < MAX_WISHES:
            self._urgencies[prio.image, prio.layer] = prio.urgency

    def urgency_of(self, image: int, layer: int, own: int) -> int:
        """The urgency of a picture's layer whose sender gave it `own`."""
        if not self._urgencies:
            return own
        for wish in ((image, layer), (image, ALL_LAYERS), (0, layer), (0, ALL_LAYERS)):
            if wish in self._urgencies:
                return self._urgencies[wish]
        return own
