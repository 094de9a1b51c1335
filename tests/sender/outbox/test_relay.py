"""From an outbox to a receiver, on real sockets."""

import asyncio
import contextlib
import logging
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from codec.container.bitstream import Bitstream, Coder, Header, Section
from codec.layers import Layer
from layercast_common.errors import AuthenticationError, UsageError
from layercast_common.http.server import open_socket
from protocol.connection.events import OfferReceived, PictureDone, ReceiverEvent, SectionReceived
from protocol.wire.limits import Limits
from receiver.options import Security
from receiver.server import Server
from sender.connection.options import SenderIdentity
from sender.connection.sender import Sender
from sender.metrics import SenderMetrics
from sender.outbox import relay_session
from sender.outbox.entries import EntryState
from sender.outbox.outbox import Outbox
from sender.outbox.relay import OutboxRelay
from sender.outbox.updates import Update
from tests.support.sender_link import Cable

#: Longest that something may take on a busy machine, in seconds.
PATIENCE = 120.0


def stream(size: int = 300, text: str = "an old red lighthouse") -> Bitstream:
    noise = random.Random(size).randbytes(size)
    return Bitstream(
        Header(64, 64, 3, "mini"),
        (Section(Layer.SEMANTIC, Coder.TEXT, text.encode()), Section(Layer.STRUCTURE, Coder.EDGES, noise)),
    )


class Environment:
    """An outbox, its relay and the published updates."""

    def __init__(self, path: Path, url: str, **options: object) -> None:
        self.outbox = Outbox(path)
        self.updates: list[Update] = []
        self.url = url

        def connect(identity: SenderIdentity) -> Sender:
            return Sender(self.url, identity=identity, **options)  # type: ignore[arg-type]

        self.relay = OutboxRelay(self.outbox, connect, on_update=self.updates.append, chance=lambda: 0.0)
        self.metrics = SenderMetrics(self.relay)

    def states(self) -> list[str]:
        return [entry.state.value for entry in self.outbox.entries()]

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.relay.run())
        try:
            yield task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@contextlib.contextmanager
def prepare(path: Path, url: str, **options: object) -> Iterator[Environment]:
    made = Environment(path / "outbox", url, **options)
    with made.outbox:
        yield made


@contextlib.asynccontextmanager
async def receiving(
    events: list[ReceiverEvent], url: str = "ws://127.0.0.1:0", **options: object
) -> AsyncIterator[str]:
    async with Server(url, on_event=events.append, **options) as intake:  # type: ignore[arg-type]
        yield intake.url


def pictures_in(events: list[ReceiverEvent]) -> list[int]:
    return [event.picture_id for event in events if isinstance(event, PictureDone)]


async def test_what_is_posted_is_delivered(tmp_path: Path) -> None:
    events: list[ReceiverEvent] = []
    async with receiving(events) as url:
        with prepare(tmp_path, url) as env:
            first = await env.relay.post(stream(), name="one", jpeg_size=40_000)
            async with env.running():
                await env.until(lambda: env.states() == ["delivered"])
                assert env.relay.trouble == ""
                await env.relay.post(stream(500))
                await env.until(lambda: env.states() == ["delivered"] * 2)
            assert sorted(pictures_in(events)) == [1, 2]
            told = [update for update in env.updates if update.entry.picture_id == first]
            assert [update.entry.state for update in told] == ["sent", "sent", "sent", "delivered"]
            assert [update.progress.done for update in told[1:3] if update.progress] == [1, 2]
            assert told[-1].delivery is not None
            offer = events[0]
            assert isinstance(offer, OfferReceived)
            assert (offer.stream_id, offer.epoch, offer.jpeg_size) == (env.outbox.identity.stream_id, 0, 40_000)


async def test_until_empty_ends_when_all_is_delivered(tmp_path: Path) -> None:
    events: list[ReceiverEvent] = []
    async with receiving(events) as url:
        with prepare(tmp_path, url) as env:
            for number in range(30):
                env.outbox.accept(stream(200 + number))
            async with asyncio.timeout(PATIENCE):
                await env.relay.run(until_empty=True)
            assert env.states() == ["delivered"] * 30
            assert sorted(pictures_in(events)) == list(range(1, 31))
            # Nothing to do is done at once, and without a connection.
            env.url = "ws://127.0.0.1:1"
            await env.relay.run(until_empty=True)


async def test_a_receiver_that_comes_late_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    events: list[ReceiverEvent] = []
    with await open_socket("127.0.0.1", 0, option="--x") as taken:
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
    with prepare(tmp_path, url) as env, caplog.at_level(logging.WARNING, "sender.outbox.relay"):
        await env.relay.post(stream())
        async with env.running():
            await env.until(lambda: "no receiver listens" in env.relay.trouble)
            assert env.states() == ["queued"]
            async with receiving(events, url):
                await env.until(lambda: env.states() == ["delivered"])
    assert "trying again in" in caplog.text


async def test_a_restarted_receiver_gets_what_it_has_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("receiver.server.RETRY_SECONDS", 0)
    events: list[ReceiverEvent] = []
    with await open_socket("127.0.0.1", 0, option="--x") as taken:
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"
    with prepare(tmp_path, url, rate=20_000) as env:
        async with env.running():
            async with receiving(events, url):
                for _ in range(5):
                    await env.relay.post(stream(800))
                await env.until(lambda: len(pictures_in(events)) >= 2)
            first = set(pictures_in(events))
            held = {(env.outbox.identity.stream_id, 0, image) for image in first}
            async with receiving(events, url, held=lambda *identity: identity in held):
                await env.until(lambda: env.states() == ["delivered"] * 5)
        assert sorted(pictures_in(events)) == [1, 2, 3, 4, 5]
        entries = env.outbox.entries()
        assert max(entry.attempts for entry in entries) >= 2


async def test_a_restarted_sender_goes_on_under_the_same_numbers(tmp_path: Path) -> None:
    events: list[ReceiverEvent] = []
    async with receiving(events) as url:
        with prepare(tmp_path, url, rate=20_000) as env:
            for _ in range(4):
                await env.relay.post(stream(800))
            async with env.running():
                await env.until(lambda: pictures_in(events))
        done = pictures_in(events)
        assert len(done) < 4
        with prepare(tmp_path, url) as again:
            assert set(again.states()) == {"queued", "delivered"}
            async with asyncio.timeout(PATIENCE):
                await again.relay.run(until_empty=True)
            assert again.states() == ["delivered"] * 4
    assert sorted(pictures_in(events)) == [1, 2, 3, 4]
    offers = [event for event in events if isinstance(event, OfferReceived)]
    assert {event.stream_id for event in offers} == {again.outbox.identity.stream_id}


async def test_a_pulled_cable_costs_only_what_was_in_it(tmp_path: Path) -> None:
    events: list[ReceiverEvent] = []
    async with receiving(events) as url:
        parts = urlsplit(url)
        assert parts.port
        async with Cable("127.0.0.1", parts.port) as cable:
            with prepare(tmp_path, f"ws://127.0.0.1:{cable.port}", rate=40_000) as env:
                await env.relay.post(stream(8_000))
                async with env.running():
                    for _ in range(3):
                        await env.until(lambda: env.relay.sender and env.relay.sender.unacknowledged)
                        await asyncio.sleep(0.15)
                        cable.pull()
                        cable.plug()
                    await env.until(lambda: env.states() == ["delivered"])
                (entry,) = env.outbox.entries()
                delivery = env.updates[-1].delivery
    assert pictures_in(events) == [1]
    assert sum(isinstance(event, SectionReceived) for event in events) == 2
    # The relay sees one connection, and little is sent twice.
    assert entry.attempts == 1
    assert delivery is not None
    assert delivery.sent < 8_000 * 1.6


async def test_a_refused_token_ends_the_relay_and_loses_nothing(tmp_path: Path) -> None:
    async with receiving([], token="secret") as url:
        with prepare(tmp_path, url, token="wrong") as env:
            await env.relay.post(stream())
            with pytest.raises(AuthenticationError):
                await env.relay.run()
            assert env.states() == ["queued"]


async def test_a_picture_that_the_receiver_refuses_fails_alone(tmp_path: Path) -> None:
    events: list[ReceiverEvent] = []
    async with receiving(events, security=Security(limits=Limits(peer_bytes=1_000))) as url:
        with prepare(tmp_path, url) as env:
            for size in (300, 5_000, 301):
                await env.relay.post(stream(size))
            async with asyncio.timeout(PATIENCE):
                await env.relay.run(until_empty=True)
            assert env.states() == ["delivered", "failed", "delivered"]
            failed = env.outbox.entry(2)
            assert failed is not None
            assert "larger than the receiver holds" in str(failed.reason)


async def test_a_receiver_that_holds_less_than_we_thought_gets_everything(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The receiver refuses pictures that it evicted until the next session."""
    events: list[ReceiverEvent] = []
    async with receiving(events, security=Security(limits=Limits(open_pictures=2))) as url:
        with prepare(tmp_path, url, rate=60_000) as env, caplog.at_level(logging.WARNING, "sender.outbox.relay"):
            for number in range(6):
                await env.relay.post(stream(1_500 + number))
            async with asyncio.timeout(PATIENCE):
                await env.relay.run(until_empty=True)
            assert env.states() == ["delivered"] * 6
            attempts = [entry.attempts for entry in env.outbox.entries()]
    assert sorted(pictures_in(events)) == [1, 2, 3, 4, 5, 6]
    assert max(attempts) > 1
    assert "the receiver had no room for" in caplog.text


async def test_a_receiver_that_takes_nothing_is_asked_ever_more_rarely(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A receiver whose disk is full accepts connections; that alone must not reset the waits."""

    def refuse(event: ReceiverEvent) -> None:
        if isinstance(event, PictureDone) and len(waits()) < 3:
            raise UsageError("no room")
        events.append(event)

    def waits() -> list[str]:
        return re.findall(r"trying again in (\d+\.\d)", caplog.text)

    events: list[ReceiverEvent] = []
    with caplog.at_level(logging.WARNING, "sender.outbox.relay"):
        async with Server("ws://127.0.0.1:0", on_event=refuse) as intake:
            with prepare(tmp_path, intake.url) as env:
                await env.relay.post(stream())
                async with asyncio.timeout(PATIENCE):
                    await env.relay.run(until_empty=True)
                assert env.states() == ["delivered"]
                # A delivery resets the waits.
                assert env.relay._backoff.next_wait() < 0.5
    assert waits() == ["0.2", "0.5", "1.0"]


async def test_a_damaged_stream_fails_alone(tmp_path: Path) -> None:
    events: list[ReceiverEvent] = []
    async with receiving(events) as url:
        with prepare(tmp_path, url) as env:
            await env.relay.post(stream())
            env.outbox._database.execute("UPDATE pictures SET payload = x'00'")
            await env.relay.post(stream())
            async with asyncio.timeout(PATIENCE):
                await env.relay.run(until_empty=True)
            assert env.states() == ["failed", "delivered"]


async def test_what_is_out_of_time_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_session, "EXPIRY_SECONDS", 0.05)
    events: list[ReceiverEvent] = []
    async with receiving(events) as url:
        with prepare(tmp_path, url, rate=4_000) as env:
            await env.relay.post(stream(4_000), lifetime=0.5)
            await env.relay.post(stream(300))
            async with asyncio.timeout(PATIENCE):
                await env.relay.run(until_empty=True)
            assert env.states() == ["expired", "delivered"]
            await env.relay.post(stream(300), lifetime=0.01)
            await asyncio.sleep(0.05)
            async with asyncio.timeout(PATIENCE):
                await env.relay.run(until_empty=True)
            assert env.states()[-1] == "expired"
    assert pictures_in(events) == [2]


async def test_draining_finishes_what_is_under_way_and_begins_nothing(tmp_path: Path) -> None:
    events: list[ReceiverEvent] = []
    async with receiving(events) as url:
        with prepare(tmp_path, url, rate=60_000) as env:
            for _ in range(20):
                await env.relay.post(stream(700))
            async with env.running() as task:
                await env.until(lambda: env.states().count("sent"))
                env.relay.drain()
                async with asyncio.timeout(PATIENCE):
                    await task
            assert "sent" not in env.states()
            assert 0 < env.states().count("delivered") < 20
    delivered = sum(update.entry.state is EntryState.DELIVERED for update in env.updates)
    assert len(pictures_in(events)) == delivered


async def test_large_pictures_do_not_drive_each_other_out(tmp_path: Path) -> None:
    events: list[ReceiverEvent] = []
    async with receiving(events) as url:
        with prepare(tmp_path, url) as env:
            for number in range(6):
                await env.relay.post(stream(60_000 + number))
            async with asyncio.timeout(PATIENCE):
                await env.relay.run(until_empty=True)
            assert [entry.attempts for entry in env.outbox.entries()] == [1] * 6


async def test_what_happens_is_counted(tmp_path: Path) -> None:
    async with receiving([]) as url:
        with prepare(tmp_path, url) as env:
            env.relay.updates._on_update = env.metrics.record
            await env.relay.post(stream())
            async with env.running():
                await env.until(lambda: b'pictures_total{state="delivered"}' in env.metrics.text()[0])
                text = env.metrics.text()[0].decode()
            after = env.metrics.text()[0].decode()
    counted = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert counted['layercast_sender_pictures_total{state="delivered"}'] == "1.0"
    assert float(counted['layercast_sender_sent_bytes_total{layer="structure"}']) > 300
    assert counted["layercast_sender_connected"] == "1.0"
    assert float(counted["layercast_sender_packets_total"]) >= 1
    assert counted["layercast_sender_connections_total"] == "1.0"
    assert "layercast_sender_round_trip_seconds" in counted
    assert "layercast_sender_connected 0.0" in after
    assert float(dict(line.rsplit(" ", 1) for line in after.splitlines())["layercast_sender_packets_total"]) >= 1
