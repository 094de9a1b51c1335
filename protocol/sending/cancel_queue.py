"""The CANCEL packets that wait to be sent."""

from collections.abc import Callable


class CancelQueue:
    """The cancelled sections to announce to the receiver, by picture."""

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}

    def add(self, picture_id: int, mask: int) -> None:
        """Add cancelled sections of a picture, bit i for section i."""
        self._masks[picture_id] = self._masks.get(picture_id, 0) | mask

    def take(self, may_send: Callable[[int], bool]) -> tuple[int, int] | None:
        """Remove and return the first (picture_id, mask) whose picture passes `may_send`, or None."""
        picture_id = next((one for one in self._masks if may_send(one)), None)
        return None if picture_id is None else (picture_id, self._masks.pop(picture_id))
