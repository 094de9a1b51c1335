"""Received pictures on disk, within a retention policy.

writer --> archive --> disk        complete streams, partial streams, pictures at each level: names
              |
              +--> index, retention: select the oldest --> tombstones: remember their labels
"""

from receiver.archive.archive import Archive
from receiver.archive.names import ArchivedPicture, label_of
from receiver.archive.retention import KEEP_BYTES, RetentionPolicy
from receiver.archive.writer import ArchiveWriter

__all__ = ["KEEP_BYTES", "Archive", "ArchiveWriter", "ArchivedPicture", "RetentionPolicy", "label_of"]
