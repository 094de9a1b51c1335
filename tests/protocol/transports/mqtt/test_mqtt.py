"""What is special about a broker: who answers, who comes late, what it refuses, and that it may die."""

import asyncio
import dataclasses
import importlib
import logging
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import aiomqtt
import pytest

from layercast_common.errors import AuthenticationError, ConnectError, DisconnectedError, ListenError, UsageError
from protocol.connection.events import PictureDone, ReceiverEvent
from protocol.transports.addresses import open_listener, open_transport
from protocol.transports.base import DialOptions, ListenOptions, Transport
from protocol.transports.mqtt import broker as mqtt_broker
from protocol.transports.mqtt import client as mqtt_client
from protocol.transports.mqtt import transport as mqtt_links
from protocol.transports.mqtt.broker import Broker
from protocol.transports.mqtt.listener import StreamListener
from protocol.transports.mqtt.topics import MAX_KEPT_TOPICS, RetainedPictures, Topics
from protocol.wire.encoding import encode_packet
from protocol.wire.fields import SectionEntry
from protocol.wire.packets import Data, Offer
from receiver.server import Server
from sender.connection.sender import Sender
from tests.support.brokers import Mosquitto, mosquitto, needs_mosquitto
from tests.support.connection_pair import section
from tests.support.transport_fixtures import GREETING, PATIENCE, at_address, certificate, packet

pytestmark = needs_mosquitto

PICTURE = [section(b"a red cat", urgency=0, layer=0), section(bytes(900), urgency=2), section(bytes(3000), urgency=6)]


def an_offer() -> Offer:
    """A picture of three sections of 50 bytes."""
    entry = SectionEntry.of(layer=1, coder=1, urgency=3, incremental=False, length=50)
    return Offer(pn=1, image=1, head=b"", fragment_size=25, sections=(entry,) * 3)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker for tests that leave nothing behind, each on a stream of its own."""
    with mosquitto(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


@pytest.fixture
def stream(shared: Mosquitto, request: pytest.FixtureRequest) -> str:
    """A stream that nobody has used."""
    return f"mqtt://127.0.0.1:{shared.port}/{request.node.name[:60].replace('[', '.').replace(']', '.')}"


async def kept(url: str) -> dict[str, bytes]:
    """What the broker keeps of a stream."""
    host, _, name = url.removeprefix("mqtt://").partition("/")
    messages: dict[str, bytes] = {}
    async with aiomqtt.Client(host.split(":")[0], int(host.split(":")[1])) as client:
        await client.subscribe(f"lc/1/{name}/#")
        try:
            async with asyncio.timeout(1.0):
                async for message in client.messages:
                    messages[str(message.topic).removeprefix(f"lc/1/{name}/")] = bytes(message.payload)
        except TimeoutError:
            return messages
    raise AssertionError


async def send_until(sender: Sender, reached: Callable[[], bool]) -> None:
    """Send pictures until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not reached():
            await sender.send_sections(b"head", PICTURE)


async def test_nobody_answers(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_links, "PRESENCE_SECONDS", 0.2)
    with pytest.raises(ConnectError, match=f"no receiver answers at {stream}; start one: layercast receive --listen"):
        await open_transport(stream)


async def test_no_broker() -> None:
    for opening in (open_transport("mqtt://127.0.0.1:1/x"), open_listener("mqtt://127.0.0.1:1/x", print)):  # type: ignore[arg-type]
        with pytest.raises((ConnectError, ListenError), match=r"no broker answers at mqtt://127\.0\.0\.1:1/x"):
            await opening


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mqtt://127.0.0.1", "ends with the name of a stream"),
        ("mqtt://127.0.0.1/a/b", "ends with the name of a stream"),
        ("mqtt://127.0.0.1/a+", "ends with the name of a stream"),
        ("mqtt://127.0.0.1/" + "x" * 65, "ends with the name of a stream"),
        ("mqtt:///x", "is not an address"),
        ("mqtt://127.0.0.1/x?colour=red", r"\?colour is not an option"),
    ],
)
async def test_no_addresses(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        await open_transport(url)
    with pytest.raises(UsageError, match=words):
        await open_listener(url, print)  # type: ignore[arg-type]


async def test_pictures_are_kept_and_the_oldest_are_cleared(stream: str) -> None:
    events: list[ReceiverEvent] = []
    async with Server(stream, on_event=events.append) as intake, Sender(intake.url) as sender:
        assert list(await kept(stream)) == ["rx"]
        for _ in range(mqtt_links.KEPT_PICTURES + 2):
            await sender.send_sections(b"head", PICTURE)
        await asyncio.sleep(0.1)
        there = await kept(stream)
    pictures = {int(topic.split("/")[2]) for topic in there if topic.startswith("pic/")}
    assert pictures == set(range(3, 3 + mqtt_links.KEPT_PICTURES))
    assert sum(topic.endswith("/o") for topic in there) == mqtt_links.KEPT_PICTURES
    assert sum(isinstance(event, PictureDone) for event in events) == mqtt_links.KEPT_PICTURES + 2
    assert "rx" not in await kept(stream)


async def test_nothing_is_kept_where_nothing_shall_be(stream: str) -> None:
    events: list[ReceiverEvent] = []
    async with Server(stream, on_event=events.append) as intake, Sender(f"{intake.url}?retain=no") as sender:
        delivery = await sender.send_sections(b"head", PICTURE)
        assert delivery.complete
        assert list(await kept(stream)) == ["rx"]


async def test_who_comes_late_sees_the_base_first(stream: str) -> None:
    async with Server(stream, on_event=lambda _: None) as intake, Sender(intake.url) as sender:
        # The detail is published before the lines, which a broker by itself would repeat in that order.
        late = [PICTURE[0], section(bytes(9000), urgency=7), section(bytes(9), urgency=7)]
        for _ in range(2):
            await sender.send_sections(b"head", late)
        async with at_address(f"{stream}?watch") as watcher:
            async with asyncio.timeout(PATIENCE):
                transport = await watcher.accepted.get()
                came = [await transport.recv() for _ in range(2)]
                assert [one[1] for one in came] == [1, 1], "the OFFERs of both pictures come first"
            assert transport.one_way
            assert not transport.reliable
            await transport.send(GREETING)
        # A watcher does not depose the receiver.
        assert (await sender.send_sections(b"head", PICTURE)).complete


async def test_layers_come_one_after_the_other(stream: str) -> None:
    host, _, name = stream.removeprefix("mqtt://").partition("/")
    offer = an_offer()
    async with aiomqtt.Client(host.split(":")[0], int(host.split(":")[1])) as client:
        for place in (2, 0, 1):
            for fragment in (1, 0):
                data = encode_packet(Data(pn=9, image=1, section=place, fragment=fragment, payload=bytes(25)))
                await client.publish(f"lc/1/{name}/pic/abc/1/{place}/{fragment}", data, qos=1, retain=True)
        await client.publish(f"lc/1/{name}/pic/abc/1/o", encode_packet(offer), qos=1, retain=True)
    async with at_address(f"{stream}?watch") as watcher, asyncio.timeout(PATIENCE):
        transport = await watcher.accepted.get()
        kinds = [(await transport.recv())[1:5] for _ in range(7)]
        assert kinds[0][0] == 1
        assert [kind[3] for kind in kinds[1:]] == [0, 0, 1, 1, 2, 2]


async def test_a_broadcast_needs_no_receiver(stream: str) -> None:
    transport = await open_transport(f"{stream}?broadcast")
    assert transport.one_way
    for number in range(3):
        await transport.send(packet(number))
    await transport.send(GREETING)
    await transport.close()
    there = await kept(stream)
    assert sorted(there.values()) == [packet(number) for number in range(3)]


async def test_the_newest_receiver_answers(stream: str, caplog: pytest.LogCaptureFixture) -> None:
    first: list[ReceiverEvent] = []
    second: list[ReceiverEvent] = []
    async with Server(stream, on_event=first.append) as intake, Sender(stream) as sender:
        await sender.send_sections(b"head", PICTURE)
        async with Server(stream, on_event=second.append):
            await send_until(sender, lambda: bool(second))
            assert not intake.sessions
        assert "another receiver took over" in caplog.text
        # With the second one gone, the first takes its place again.
        seen = len(first)
        async with Sender(stream) as other:
            await other.send_sections(b"head", PICTURE)
        assert len(first) > seen


async def test_a_peer_that_vanishes_is_noticed(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mqtt_client, "VANISHED_SECONDS", 1)
    async with at_address(stream) as station:
        ours, theirs = await station.pair()
        monkeypatch.setattr(mqtt_broker, "FIRST_WAIT", 60.0)
        ours._broker._client._client.socket().shutdown(2)  # type: ignore[attr-defined]
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(DisconnectedError):
                await theirs.recv()
        await ours.close()


async def test_both_ends_survive_the_brokers_death(tmp_path: Path) -> None:
    with mosquitto(tmp_path) as broker:
        events: list[ReceiverEvent] = []
        url = f"mqtt://127.0.0.1:{broker.port}/garden"
        async with Server(url, on_event=events.append) as intake, Sender(intake.url, rate=200_000) as sender:
            sending = asyncio.create_task(sender.send_sections(b"head", [section(bytes(12_000), urgency=3)]))
            await asyncio.sleep(0.15)
            broker.kill()
            broker.start()
            async with asyncio.timeout(PATIENCE):
                delivery = await sending
            assert delivery.complete
            assert len(intake.sessions) == 1
    assert sum(isinstance(event, PictureDone) for event in events) == 1


def access_rules(folder: Path) -> str:
    """Two users who may do their part, and one who may do nothing."""
    users, rules = folder / "users", folder / "rules"
    users.write_text("sender:secret-s\nreceiver:secret-r\nstranger:secret-x\n")
    subprocess.run(["mosquitto_passwd", "-U", str(users)], check=True, capture_output=True)
    users.chmod(0o644)
    rules.write_text(
        "user sender\ntopic write lc/1/S/in/+\ntopic write lc/1/S/pic/#\n"
        "topic read lc/1/S/rx\ntopic read lc/1/S/out/+\n"
        "user receiver\ntopic readwrite lc/1/S/#\n"
    )
    return f"password_file {users}\nacl_file {rules}"


async def test_users_and_access_rules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(mqtt_links, "PRESENCE_SECONDS", 0.5)
    monkeypatch.setattr(importlib.import_module("protocol.transports.mqtt.listener"), "PRESENCE_SECONDS", 0.5)
    with mosquitto(tmp_path, access_rules(tmp_path), anonymous=False) as broker:
        at = f"127.0.0.1:{broker.port}"
        for url in (f"mqtt://{at}/S", f"mqtt://sender:wrong-secret@{at}/S"):
            with pytest.raises(AuthenticationError, match=r"the broker at mqtt://.* refuses us; name a user"):
                await open_transport(url)
        monkeypatch.setenv("LAYERCAST_MQTT_PASSWORD", "secret-r")
        with pytest.raises(AuthenticationError, match=r"does not let receiver write to lc/1/other/rx \(Not auth"):
            await open_listener(f"mqtt://receiver@{at}/other", print)  # type: ignore[arg-type]
        async with Server(f"mqtt://receiver@{at}/S", on_event=lambda _: None) as intake:
            assert intake.url == f"mqtt://receiver@{at}/S"
            async with Sender(f"mqtt://sender:secret-s@{at}/S") as sender:
                assert (await sender.send_sections(b"head", PICTURE)).complete
            with pytest.raises(ConnectError, match="the broker does not let us read lc/1/S/rx"):
                await Sender(f"mqtt://stranger:secret-x@{at}/S").__aenter__()
            # Who may not publish learns of it, though the broker drops packets without a word.
            transport = await open_transport(f"mqtt://stranger:secret-x@{at}/S?broadcast")
            offer = encode_packet(an_offer())
            with pytest.raises(DisconnectedError, match="does not let stranger write to"):
                await transport.send(offer)
            await transport.close()
    assert "secret" not in caplog.text


async def test_a_broker_that_takes_small_messages(tmp_path: Path) -> None:
    with mosquitto(tmp_path, "max_packet_size 300") as broker:
        url = f"mqtt://127.0.0.1:{broker.port}/garden"
        async with Server(url, on_event=lambda _: None) as intake, Sender(intake.url) as sender:
            assert (await sender.send_sections(b"head", PICTURE)).complete
    with (
        mosquitto(tmp_path, "max_packet_size 100") as broker,
        pytest.raises(ConnectError, match=r"takes messages of 100 bytes at most.*raise its max_packet_size"),
    ):
        await open_transport(f"mqtt://127.0.0.1:{broker.port}/garden?broadcast")


async def test_mqtts(tmp_path: Path) -> None:
    _, trusted = certificate(tmp_path)
    for name in ("key.pem", "certificate.pem"):
        (tmp_path / name).chmod(0o644)
    settings = f"certfile {tmp_path}/certificate.pem\nkeyfile {tmp_path}/key.pem"
    with mosquitto(tmp_path, settings) as broker:
        url = f"mqtts://127.0.0.1:{broker.port}/garden"
        with pytest.raises(ConnectError, match=r"no broker answers at mqtts://.*certificate"):
            await open_transport(url)

        async def echo(transport: Transport) -> None:
            await transport.send(await transport.recv())

        listener = await open_listener(url, echo, ListenOptions(trust=trusted))
        transport = await open_transport(url, DialOptions(ssl=trusted))
        await transport.send(GREETING)
        assert await transport.recv() == GREETING
        await transport.close()
        await listener.close()


@pytest.mark.parametrize(
    ("topic", "parts"),
    [
        ("lc/1/S/rx", ("rx",)),
        ("lc/1/S/in/ab12", ("in", "ab12")),
        ("lc/1/S/pic/ab12/7/o", ("pic", "ab12", "7", "o")),
        ("lc/1/S/pic/ab12/4294967295/31/2047", ("pic", "ab12", "4294967295", "31", "2047")),
        ("lc/1/S/in/\x1b[2J", ()),
        ("lc/1/S/in/" + "a" * 17, ()),
        ("lc/1/S/in/a/b", ()),
        ("lc/1/S/pic/ab12/0/o", ()),
        ("lc/1/S/pic/ab12/7/" + "9" * 60000, ()),
        ("lc/1/S/pic/ab12/7/1/2/3", ()),
        ("lc/1/T/rx", ()),
        ("rx", ()),
        ("", ()),
    ],
)
def test_strangers_topics_are_nothing(topic: str, parts: tuple[str, ...]) -> None:
    assert Topics("S").read(topic) == parts


def test_a_shelf_remembers_so_much_and_no_more() -> None:
    shelf = RetainedPictures(2)
    for picture in (1, 2):
        assert [shelf.add(f"lc/1/S/pic/a/{picture}/0/{fragment}") for fragment in range(5000)] == [[]] * 5000
    assert len(shelf.add("lc/1/S/pic/a/3/o")) == MAX_KEPT_TOPICS
    assert shelf.add("lc/1/S/pic/a/3/0/1") == []


async def test_a_stranger_at_the_broker_is_ignored(stream: str, caplog: pytest.LogCaptureFixture) -> None:
    host, _, name = stream.removeprefix("mqtt://").partition("/")
    events: list[ReceiverEvent] = []
    async with Server(stream, on_event=events.append) as intake, Sender(intake.url) as sender:
        async with aiomqtt.Client(host.split(":")[0], int(host.split(":")[1])) as client:
            for topic in ("in/\u00fc", "in/UPPER", "in/" + "x" * 300, "pic/a/b/c", "in/fine"):
                await client.publish(f"lc/1/{name}/{topic}", b"\x00" * 50, qos=1)
            await client.publish(f"lc/1/{name}/in/fine", bytes(100_000), qos=1)
            for _ in range(50):
                await client.publish(f"lc/1/{name}/rx", b"", qos=1, retain=True)
        assert (await sender.send_sections(b"head", PICTURE)).complete
        assert len(intake.sessions) <= 2
        assert (await kept(stream))["rx"]
    assert "\u00fc" not in caplog.text


def fail_on_message(broker: Broker) -> None:
    """Let the connection loop of a broker fail at the next message."""

    def fail(_topic: str, _payload: bytes) -> None:
        raise RuntimeError("a bug")

    broker._callbacks = dataclasses.replace(broker._callbacks, on_message=fail)


async def test_a_senders_connection_loop_that_fails_closes_its_transport(
    stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with at_address(stream) as station:
        ours, theirs = await station.pair()
        assert isinstance(ours, mqtt_links.MqttSenderTransport)
        fail_on_message(ours._broker)
        await theirs.send(packet(1))
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(DisconnectedError):
                await ours.recv()
        with pytest.raises(DisconnectedError):
            await ours.send(packet(2))
        assert "RuntimeError: a bug" in caplog.text
        await ours.close()


async def test_a_listeners_connection_loop_that_fails_ends_its_links(
    stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[Exception] = []
    served: asyncio.Queue[Transport] = asyncio.Queue()
    ended = asyncio.Event()

    async def serve(transport: Transport) -> None:
        served.put_nowait(transport)
        try:
            while True:
                await transport.recv()
        finally:
            ended.set()

    listener = await open_listener(stream, serve, ListenOptions(on_failure=failures.append))
    assert isinstance(listener, StreamListener)
    ours = await open_transport(stream)
    async with asyncio.timeout(PATIENCE):
        await ours.send(GREETING)
        await served.get()
        fail_on_message(listener._broker)
        await ours.send(GREETING)
        await ended.wait()
    assert [str(failure) for failure in failures] == ["a bug"]
    assert "RuntimeError: a bug" in caplog.text
    await ours.close()
    await listener.close()


async def test_a_listeners_publication_that_fails_is_logged(stream: str, caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise RuntimeError("a bug")

    async def ignore(_transport: Transport) -> None:
        pass

    listener = await open_listener(stream, ignore)
    assert isinstance(listener, StreamListener)
    listener._start(fail(), "clearing of old pictures")
    async with asyncio.timeout(PATIENCE):
        while listener._publications:  # noqa: ASYNC110 - a set of tasks
            await asyncio.sleep(0.01)
    assert "clearing of old pictures on lc/1/" in caplog.text
    assert "RuntimeError: a bug" in caplog.text
    await listener.close()


async def test_a_handler_that_fails_is_logged_and_its_link_closed(
    stream: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_transport: Transport) -> None:
        raise RuntimeError("a bug")

    listener = await open_listener(stream, fail)
    ours = await open_transport(stream)
    await ours.send(GREETING)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(DisconnectedError):
            await ours.recv()
    await ours.close()
    await listener.close()
    assert "RuntimeError: a bug" in caplog.text
