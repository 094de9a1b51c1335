"""Metrics of a receiver in the Prometheus format."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from codec.layers import Layer
from receiver.archive.stats import ArchiveStats
from receiver.events import Event, FrameRendered, PictureCompleted, PictureFailed, PictureOpened

#: Histogram buckets in seconds: a picture takes a few tenths on a GPU, minutes on the slowest links.
_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)

_KNOWN = {int(layer): layer.name.lower() for layer in Layer}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverStats:
    """A receiver at one moment.

    Attributes:
        sessions: open connections of senders.
        open_pictures: pictures in progress.
        oldest: age of the oldest of them, in seconds; 0 if there is none.
        bad_packets: damaged packets on all connections so far.
        archive: figures of the archive; None without one.
    """

    sessions: int
    open_pictures: int
    oldest: float
    bad_packets: int
    archive: ArchiveStats | None = None


class ReceiverMetrics:
    """Counters and histograms of one receiver.

    Args:
        read: returns the present figures, for the gauges.
    """

    def __init__(self, read: Callable[[], ReceiverStats]) -> None:
        self._registry = CollectorRegistry()
        self._opened: dict[str, float] = {}
        self._unseen: set[str] = set()
        self._sections = self._counter("sections", "Complete sections", "layer")
        self._bytes = self._counter("payload_bytes", "Payload bytes of complete sections", "layer")
        self._pictures = self._counter("pictures", "Finished pictures: complete or failed", "outcome")
        self._frames = self._counter("frames", "Rendered frames by their highest layer", "level")
        self._first = self._histogram("first_frame_seconds", "From a picture's first packet to its first frame")
        self._whole = self._histogram("picture_seconds", "From a picture's first packet to its last frame")
        self._registry.register(_Reader(read))

    def count_section(self, layer: int, size: int) -> None:
        """Count a complete section and the size of its payload in bytes."""
        name = _KNOWN.get(layer, "other")
        self._sections.labels(name).inc()
        self._bytes.labels(name).inc(size)

    def count(self, event: Event) -> None:
        """Count an event."""
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
        """Return all metrics in the Prometheus text format, and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def _forget(self, picture: str) -> None:
        self._opened.pop(picture, None)
        self._unseen.discard(picture)

    def _counter(self, name: str, about: str, label: str) -> Counter:
        return Counter(f"layercast_receiver_{name}", about, [label], registry=self._registry)

    def _histogram(self, name: str, about: str) -> Histogram:
        return Histogram(f"layercast_receiver_{name}", about, buckets=_SECONDS, registry=self._registry)


class _Reader(Collector):
    def __init__(self, read: Callable[[], ReceiverStats]) -> None:
        self._read = read

    def describe(self) -> Iterator[Metric]:
        """Yield nothing: at registration the receiver has no figures yet."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield the present stats."""
        stats = self._read()
        yield GaugeMetricFamily("layercast_receiver_sessions", "Connections of senders", stats.sessions)
        yield GaugeMetricFamily("layercast_receiver_open_pictures", "Pictures in progress", stats.open_pictures)
        yield GaugeMetricFamily("layercast_receiver_oldest_picture_seconds", "Age of the oldest of them", stats.oldest)
        yield CounterMetricFamily("layercast_receiver_bad_packets", "Damaged packets", stats.bad_packets)
        if (archive := stats.archive) is not None:
            yield GaugeMetricFamily("layercast_receiver_archive_pictures", "Complete streams", archive.pictures)
            yield GaugeMetricFamily("layercast_receiver_archive_bytes", "Bytes on disk of the archive", archive.size)
            yield GaugeMetricFamily("layercast_receiver_archive_free_bytes", "Free bytes on the disk", archive.free)
            yield CounterMetricFamily("layercast_receiver_archive_removed", "Evicted pictures", archive.evicted)
            yield CounterMetricFamily("layercast_receiver_archive_failures", "Failed writes", archive.failures)
            yield GaugeMetricFamily(
                "layercast_receiver_archive_failing", "Whether the last write failed", float(archive.failing)
            )
