"""Prometheus metrics of a sender."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from layercast_common.steady_clock import steady_seconds
from sender.connection.delivery import Delivery
from sender.outbox.relay import OutboxRelay
from sender.outbox.updates import Update

#: Histogram bounds of delivery times, in seconds: from a fraction on a fast link to an hour on the slowest.
_SECONDS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)

_LAYERS = {0: "semantic", 1: "structure", 2: "texture", 3: "detail", None: "framing"}


class SenderMetrics:
    """Metrics of an outbox and its relay.

    Args:
        relay: the relay.
    """

    def __init__(self, relay: OutboxRelay) -> None:
        self._registry = CollectorRegistry()
        self._pictures = self._counter("pictures", "Pictures by the state that they reached", "state")
        self._bytes = self._counter("sent_bytes", "Bytes on the wire of delivered pictures, by layer", "layer")
        self._seconds = Histogram(
            "layercast_sender_delivery_seconds",
            "Time from the offer to the last acknowledgement",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._registry.register(_RelayCollector(relay))

    def record(self, update: Update) -> None:
        """Record an update of a picture."""
        if update.progress is None:
            self._pictures.labels(update.entry.state.value).inc()
        if update.delivery is not None:
            self._record_delivery(update.delivery)

    def text(self) -> tuple[bytes, str]:
        """Return all metrics in Prometheus's text format, and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def _counter(self, name: str, about: str, label: str) -> Counter:
        return Counter(f"layercast_sender_{name}", about, [label], registry=self._registry)

    def _record_delivery(self, delivery: Delivery) -> None:
        self._seconds.observe(delivery.seconds)
        layers = {section.layer for section in delivery.sections}
        for layer in (*sorted(layers), None):
            self._bytes.labels(_LAYERS.get(layer, "other")).inc(delivery.size_of(layer))


class _RelayCollector(Collector):
    """Metrics that are read from the relay and the outbox at each scrape."""

    def __init__(self, relay: OutboxRelay) -> None:
        self._relay = relay

    def describe(self) -> Iterator[Metric]:
        """Return nothing, so that registering the collector does not read the outbox."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield the present values."""
        outbox, sender = self._relay.outbox, self._relay.sender
        counts = GaugeMetricFamily("layercast_sender_outbox_pictures", "Pictures in the outbox", labels=["state"])
        for state, count in outbox.counts().items():
            counts.add_metric([state.value], count)
        yield counts
        oldest = outbox.oldest()
        age = 0.0 if oldest is None else max(0.0, steady_seconds() - oldest)
        yield GaugeMetricFamily("layercast_sender_oldest_picture_seconds", "Age of the oldest pending picture", age)
        yield GaugeMetricFamily(
            "layercast_sender_connected", "1 while connected to a receiver", float(sender is not None)
        )
        totals = self._relay.totals
        yield CounterMetricFamily("layercast_sender_packets", "Packets sent", totals.packets)
        yield CounterMetricFamily("layercast_sender_lost_packets", "Packets declared lost", totals.lost)
        yield CounterMetricFamily("layercast_sender_connections", "Connections opened", totals.connections)
        if sender is not None:
            yield GaugeMetricFamily(
                "layercast_sender_round_trip_seconds", "Smoothed round-trip time", sender.round_trip
            )
            yield GaugeMetricFamily("layercast_sender_rate_bits_per_second", "The link's rate", sender.rate)
            yield GaugeMetricFamily("layercast_sender_unacknowledged_bytes", "Bytes in flight", sender.unacknowledged)
