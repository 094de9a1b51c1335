"""What came, kept on disk, within the bounds that were set.

keeper --> store --> disk --> whole streams, parts, pictures at each level: names
             |
             +--> stock, bounds: the oldest go --> removed: their labels stay known
"""

from receiver.archive.archive import Archive
from receiver.archive.names import Kept, label_of
from receiver.archive.retention import KEEP_BYTES, RetentionPolicy
from receiver.archive.writer import ArchiveWriter

__all__ = ["KEEP_BYTES", "Archive", "ArchiveWriter", "Kept", "RetentionPolicy", "label_of"]
