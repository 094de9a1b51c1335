"""The numbers of the layers. Loads no numpy, so that the live page is served at once."""

import enum

#: A picture's size as (width, height) in pixels.
Size = tuple[int, int]


class Layer(enum.IntEnum):
    """Number of a layer. The numbers appear in files and packets and never change."""

    SEMANTIC = 0
    STRUCTURE = 1
    TEXTURE = 2
    DETAIL = 3
