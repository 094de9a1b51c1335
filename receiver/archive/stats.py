"""Figures of an archive for metrics."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveStats:
    """An archive at one moment.

    Attributes:
        pictures: number of complete streams.
        size: bytes on disk of all files.
        free: free bytes on the disk.
        evicted: pictures evicted since the start.
        failures: failed writes since the start.
        failing: whether the last write failed.
    """

    pictures: int
    size: int
    free: int
    evicted: int
    failures: int
    failing: bool
