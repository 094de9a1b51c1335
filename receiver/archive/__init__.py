"""What came, kept on disk, within the bounds that were set.

keeper --> store --> disk --> whole streams, parts, pictures at each level: names
             |
             +--> stock, bounds: the oldest go --> removed: their labels stay known
"""

from receiver.archive.bounds import KEEP_BYTES, Bounds
from receiver.archive.keeper import Keeper
from receiver.archive.names import Kept, label_of
from receiver.archive.store import Archive

__all__ = ["KEEP_BYTES", "Archive", "Bounds", "Keeper", "Kept", "label_of"]
