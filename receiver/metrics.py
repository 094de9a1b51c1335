"""What a receiver counts, for Prometheus."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from codec.layers import Layer
from receiver.archive.archive import ArchiveFigures
from receiver.events import Event, FrameRendered, PictureCompleted, PictureFailed, PictureOpened

#: Seconds that a picture may take: a few tenths on a GPU, minutes on the slowest links.
_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

_KNOWN = {int(layer): layer.name.lower() for layer in Layer}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is read when somebody asks.

    Attributes:
        sessions: connections of senders.
        open_pictures: pictures under way.
        oldest: age of the oldest of them, in seconds; 0 if there is none.
        bad_packets: damaged packets of all sessions so far.
        archive: what the archive holds, if there is one.
    """

    sessions: int
    open_pictures: int
    oldest: float
    bad_packets: int
    archive: ArchiveFigures | None = None


class ReceiverMetrics:
    """Counts what happens. Each receiver has its own.

    Args:
        read: gives the figures that are read rather than counted.
    """

    def __init__(self, read: Callable[[], Figures]) -> None:
        self._registry = CollectorRegistry()
        self._opened: dict[str, float] = {}
        self._unseen: set[str] = set()
        self._sections = self._counter("sections", "Sections that arrived whole", "layer")
        self._bytes = self._counter("payload_bytes", "Bytes of their payload", "layer")
        self._pictures = self._counter("pictures", "Pictures that ended: complete or failed", "outcome")
        self._frames = self._counter("frames", "Frames drawn, by the highest layer they were drawn from", "level")
        self._first = self._histogram("first_frame_seconds", "From a picture's first packet to its first frame")
        self._whole = self._histogram("picture_seconds", "From a picture's first packet to its last frame")
        self._registry.register(_Reader(read))

    def count_section(self, layer: int, size: int) -> None:
        """Count a section that arrived, with its payload in bytes."""
        name = _KNOWN.get(layer, "other")
        self._sections.labels(name).inc()
        self._bytes.labels(name).inc(size)

    def count(self, event: Event) -> None:
        """Count what happened to a picture."""
        match event:
            case PictureOpened(picture=picture, at=at) if picture not in self._opened:
                self._opened[picture] = at
                self._unseen.add(picture)
            case FrameRendered(picture=picture, frame=frame, at=at):
                self._frames.labels(frame.level.name.lower()).inc()
                if picture in self._unseen:
                    self._unseen.discard(picture)
                    self._first.observe(at - self._opened[picture])
            case PictureCompleted(picture=picture, at=at):
                self._pictures.labels("complete").inc()
                if picture in self._opened:
                    self._whole.observe(at - self._opened[picture])
                self._forget(picture)
            case PictureFailed(picture=picture):
                self._pictures.labels("failed").inc()
                self._forget(picture)
            case _:
                pass

    def text(self) -> tuple[bytes, str]:
        """Everything in Prometheus's text format, and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def _forget(self, picture: str) -> None:
        self._opened.pop(picture, None)
        self._unseen.discard(picture)

    def _counter(self, name: str, about: str, label: str) -> Counter:
        return Counter(f"layercast_receiver_{name}", about, [label], registry=self._registry)

    def _histogram(self, name: str, about: str) -> Histogram:
        return Histogram(f"layercast_receiver_{name}", about, buckets=_SECONDS, registry=self._registry)


class _Reader(Collector):
    def __init__(self, read: Callable[[], Figures]) -> None:
        self._read = read

    def describe(self) -> Iterator[Metric]:
        """Nothing: reading at registration would ask a receiver that does not run yet."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The figures of this moment."""
        figures = self._read()
        yield GaugeMetricFamily("layercast_receiver_sessions", "Connections of senders", figures.sessions)
        yield GaugeMetricFamily("layercast_receiver_open_pictures", "Pictures under way", figures.open_pictures)
        yield GaugeMetricFamily("layercast_receiver_oldest_picture_seconds", "Age of the oldest", figures.oldest)
        yield CounterMetricFamily("layercast_receiver_bad_packets", "Damaged packets", figures.bad_packets)
        if (archive := figures.archive) is not None:
            yield GaugeMetricFamily("layercast_receiver_archive_pictures", "Whole pictures kept", archive.pictures)
            yield GaugeMetricFamily("layercast_receiver_archive_bytes", "Bytes on disk of what is kept", archive.size)
            yield GaugeMetricFamily("layercast_receiver_archive_free_bytes", "Bytes free on its disk", archive.free)
            yield CounterMetricFamily("layercast_receiver_archive_removed", "Pictures that had to go", archive.removed)
            yield CounterMetricFamily("layercast_receiver_archive_failures", "Writes that failed", archive.failures)
            yield GaugeMetricFamily(
                "layercast_receiver_archive_failing", "Whether the last write failed", float(archive.failing)
            )
