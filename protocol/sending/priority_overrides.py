"""The urgencies that a receiver requests in place of the sender's."""

from collections.abc import Collection

from protocol.wire.packets import ALL_LAYERS, Prio

#: The most overrides kept.
MAX_OVERRIDES = 256


class PriorityOverrides:
    """The urgencies requested by PRIO. They take precedence over the sender's; the most specific one applies."""

    def __init__(self) -> None:
        self._urgencies: dict[tuple[int, int], int] = {}

    def add(self, prio: Prio, open_pictures: Collection[int]) -> None:
        """Add the override of a PRIO; it is ignored if its picture is not open."""
        if len(self._urgencies) >= MAX_OVERRIDES:
            kept = {0, *open_pictures}
            self._urgencies = {key: urgency for key, urgency in self._urgencies.items() if key[0] in kept}
        if (not prio.image or prio.image in open_pictures) and len(self._urgencies) < MAX_OVERRIDES:
            self._urgencies[prio.image, prio.layer] = prio.urgency

    def urgency_of(self, picture_id: int, layer: int, default: int) -> int:
        """Return the urgency of a picture's layer; `default` is the sender's."""
        if not self._urgencies:
            return default
        for key in ((picture_id, layer), (picture_id, ALL_LAYERS), (0, layer), (0, ALL_LAYERS)):
            if key in self._urgencies:
                return self._urgencies[key]
        return default
