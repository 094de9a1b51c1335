"""Finished pictures that the next level may begin from."""

from collections import OrderedDict
from collections.abc import Hashable

from receiver.rendering.sampling.starts import EarlierPicture

#: Pictures that are kept: their latents take 64 KB each at 512x512 with Stable Diffusion 1.5.
MAX_FINISHED = 64


class FinishedPictures:
    """The latest finished picture of each key, the newest `MAX_FINISHED` of them. Use it in one thread."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[Hashable, EarlierPicture] = OrderedDict()

    def get(self, key: Hashable) -> EarlierPicture | None:
        """Return the picture of a key, or None."""
        return self._pictures.get(key)

    def keep(self, key: Hashable, picture: EarlierPicture | None) -> None:
        """Keep a picture in place of the key's older one; None forgets the older one."""
        self._pictures.pop(key, None)
        if picture is None:
            return
        self._pictures[key] = picture
        if len(self._pictures) > MAX_FINISHED:
            self._pictures.popitem(last=False)
