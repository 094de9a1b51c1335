import asyncio
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from codec.container.bitstream import Bitstream
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from codec.layers import Layer
from layercast_common.errors import (
    ArchiveError,
    AuthenticationError,
    ConnectError,
    DisconnectedError,
    ListenError,
    MissingModelError,
    RemoteProtocolError,
    UnknownModelError,
    UsageError,
)
from protocol.connection.events import OfferReceived, SectionInfo, SectionReceived
from protocol.link_profiles import LinkProfile
from protocol.sending.pictures.fragmentation import OutgoingSection
from protocol.transports.addresses import open_transport
from protocol.wire.codes import Code
from protocol.wire.limits import Limits
from receiver.archive import Archive, label_of
from receiver.archive.archive import TOMBSTONES_NAME
from receiver.archive.writer import LOCK_NAME
from receiver.condition import ReceiverCondition
from receiver.events import Event, FrameRendered, LayerArrived, PictureCompleted, PictureFailed, PictureOpened
from receiver.options import RenderOptions, Security
from receiver.permissions import Permissions
from receiver.receiver import Receiver
from receiver.rendering.frames import Frame
from sender.connection.options import SenderIdentity
from sender.connection.sender import Sender
from tests.support.pictures import draw_picture

ANY_PORT = "ws://127.0.0.1:0"

#: The stem of a picture in an archive.
PICTURE = "20260131-120000-9f86d081884c7d65"

#: A link on which the first packet is there long before the last.
SLOW = LinkProfile(name="slow", rate=2000, delay=0.01)

#: Longest that a picture may take on a busy machine, in seconds.
PATIENCE = 120.0


class Watch:
    """Collects a receiver's events and waits for them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()

    def of(self, *kinds: type[Event]) -> list[Event]:
        return [event for event in self.events if isinstance(event, kinds)]

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    async def until_ended(self, count: int = 1) -> list[Event]:
        await self.until(lambda: len(self.of(PictureCompleted, PictureFailed)) >= count)
        return self.of(PictureCompleted, PictureFailed)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture(scope="module")
def stream() -> Bitstream:
    return encode(draw_picture(128, 128), "a house on a hill", EncodeOptions(budget=500, seed=3, texture="grid"))


def sections_of(stream: Bitstream) -> list[OutgoingSection]:
    return [
        OutgoingSection(layer=int(one.layer), coder=int(one.coder), payload=one.payload, urgency=int(one.layer))
        for one in stream.sections
    ]


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name not in (TOMBSTONES_NAME, LOCK_NAME)]


def streams_in(folder: Path) -> list[Bitstream]:
    return [Bitstream.load(path) for path in folder.glob("*.lcast")]


async def test_a_picture_is_drawn_from_all_that_was_sent(
    tiny_model: Path, tmp_path: Path, stream: Bitstream, watch: Watch
) -> None:
    frames: list[FrameRendered] = []
    async with (
        Receiver(ANY_PORT, model=tiny_model, archive=tmp_path, on_event=watch, on_frame=frames.append) as receiver,
        Sender(receiver.url) as sender,
    ):
        delivery = await sender.send(stream, jpeg_size=4321)
        await watch.until_ended()
    opened, *_, completed = watch.events
    assert isinstance(opened, PictureOpened)
    assert (opened.canvas, opened.seed, opened.model, opened.jpeg_size) == ((128, 128), 3, "mini", 4321)
    assert [(int(one.layer), one.size) for one in opened.sections] == [
        (int(section.layer), len(section.payload)) for section in stream.sections
    ]
    assert isinstance(completed, PictureCompleted)
    assert completed.received == delivery.sent
    arrived = [event for event in watch.events if isinstance(event, LayerArrived)]
    assert [event.layer for event in arrived] == [Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE]
    assert arrived[-1].priors == stream.decode()
    assert [event for event in watch.events if isinstance(event, FrameRendered)] == frames
    assert frames[-1].frame.final
    assert frames[-1].frame.layers == stream.decode().layers
    assert frames[-1].frame.image.size == (128, 128)
    names = sorted(path.name.split(".", 1)[1] for path in files_in(tmp_path))
    assert names[0] == "lcast"
    assert "texture.png" in names
    assert streams_in(tmp_path) == [stream]


async def test_rough_frames_of_a_picture_drawn_again_are_held_back(
    tiny_model: Path, stream: Bitstream, watch: Watch
) -> None:
    """Each layer is received only once the one before is rendered, so the picture is rendered three times."""

    def frames() -> list[Frame]:
        return [event.frame for event in watch.events if isinstance(event, FrameRendered)]

    sections = sections_of(stream)
    infos = tuple(
        SectionInfo(layer=one.layer, coder=one.coder, urgency=0, incremental=False, size=len(one.payload))
        for one in sections
    )
    async with Receiver(ANY_PORT, render=RenderOptions(model=tiny_model, steps=8), on_event=watch) as receiver:
        head = stream.header.to_bytes()
        await receiver._accept_event(
            OfferReceived(session="a", picture_id=0, head=head, sections=infos, jpeg_size=0, rate=0, received=9)
        )
        for index, one in enumerate(sections):
            await receiver._accept_event(
                SectionReceived(
                    session="a",
                    picture_id=0,
                    index=index,
                    layer=one.layer,
                    coder=one.coder,
                    payload=one.payload,
                    received=10,
                )
            )
            await watch.until(lambda index=index: sum(frame.final for frame in frames()) > index)  # type: ignore[misc]
    assert frames()[0].step < 4
    assert all(frame.final or frame.step >= 4 for frame in frames()[1:])
    assert [frame.level for frame in frames() if frame.final] == [0, 1, 2]


async def test_several_senders_are_served_at_once(tiny_model: Path, stream: Bitstream, watch: Watch) -> None:
    async def send(url: str) -> None:
        async with Sender(url) as sender:
            await asyncio.gather(sender.send(stream), sender.send(stream))

    async with Receiver(ANY_PORT, render=RenderOptions(model=tiny_model, steps=2), on_event=watch) as receiver:
        await asyncio.gather(*(send(receiver.url) for _ in range(3)))
        ended = await watch.until_ended(6)
    assert {type(event) for event in ended} == {PictureCompleted}
    assert len({event.picture for event in ended}) == 6


async def test_a_broken_section_fails_its_picture_alone(
    tiny_model: Path, tmp_path: Path, stream: Bitstream, watch: Watch
) -> None:
    words, *_ = sections_of(stream)
    broken = OutgoingSection(layer=1, coder=1, payload=b"\xff" * 40, urgency=1)
    async with (
        Receiver(
            ANY_PORT, render=RenderOptions(model=tiny_model, steps=2), archive=tmp_path, on_event=watch
        ) as receiver,
        Sender(receiver.url) as sender,
    ):
        await sender.send_sections(stream.header.to_bytes(), [words, broken])
        (failed,) = await watch.until_ended()
        assert isinstance(failed, PictureFailed)
        assert failed.reason.startswith("a section cannot be decoded: ")
        assert "\n" not in failed.reason
        assert [path.name.endswith(".part.lcast") for path in files_in(tmp_path)] == [False]
        await sender.send(stream)
        ended = await watch.until_ended(2)
        assert isinstance(ended[1], PictureCompleted)
    assert len(streams_in(tmp_path)) == 2


async def test_what_can_be_neither_read_nor_kept_is_refused(tiny_model: Path, stream: Bitstream, watch: Watch) -> None:
    async with (
        Receiver(ANY_PORT, render=RenderOptions(model=tiny_model, steps=2), on_event=watch) as receiver,
        Sender(receiver.url) as sender,
    ):
        for sections in (sections_of(stream), sections_of(stream)[:1]):
            with pytest.raises(RemoteProtocolError, match="cannot read this format") as refused:
                await sender.send_sections(b"no header", sections)
            assert refused.value.code == Code.UNREADABLE
        await sender.send(stream)
        await watch.until_ended()
    assert len(watch.of(PictureOpened)) == 1


async def test_what_cannot_be_read_is_kept(tmp_path: Path, stream: Bitstream, watch: Watch) -> None:
    later = bytearray(stream.to_bytes())
    later[1] = 250
    head = bytes(later[: len(stream.header.to_bytes())])
    strange = OutgoingSection(layer=5, coder=9, payload=b"from the future", urgency=6)
    async with (
        Receiver(ANY_PORT, model=None, archive=tmp_path, on_event=watch) as receiver,
        Sender(receiver.url) as sender,
    ):
        assert (await sender.send_sections(head, [*sections_of(stream), strange])).complete
        (kept,) = files_in(tmp_path)
        body = stream.to_bytes()[len(head) : -3]
        assert kept.read_bytes()[:-2].startswith(head + body)
        assert b"from the future" in kept.read_bytes()
        assert kept.name.endswith(".lcast")
        # The stream format has no number for it, so the archive cannot keep it.
        impossible = OutgoingSection(layer=200, coder=9, payload=b"lost", urgency=6)
        for head_sent in (head, stream.header.to_bytes()):
            with pytest.raises(RemoteProtocolError, match="cannot read this format"):
                await sender.send_sections(head_sent, [*sections_of(stream), impossible])
    assert len([path for path in files_in(tmp_path) if not path.name.endswith(".part.lcast")]) == 1


async def test_one_receiver_uses_an_archive_at_a_time(tmp_path: Path) -> None:
    async with Receiver(ANY_PORT, model=None, archive=tmp_path):
        writing = tmp_path / f".{PICTURE}.lcast.4711.part"
        writing.write_bytes(b"half")
        with pytest.raises(ArchiveError, match=f"in use by process {os.getpid()}; end that process"):
            Receiver(ANY_PORT, model=None, archive=tmp_path)
        assert writing.exists()
    async with Receiver(ANY_PORT, model=None, archive=tmp_path):
        assert not writing.exists()


async def test_layers_of_later_versions_are_kept_and_not_drawn(
    tiny_model: Path, tmp_path: Path, stream: Bitstream, watch: Watch
) -> None:
    strange = OutgoingSection(layer=5, coder=9, payload=b"from the future", urgency=6)
    async with (
        Receiver(
            ANY_PORT, render=RenderOptions(model=tiny_model, steps=2), archive=tmp_path, on_event=watch
        ) as receiver,
        Sender(receiver.url) as sender,
    ):
        await sender.send_sections(stream.header.to_bytes(), [*sections_of(stream), strange])
        (completed,) = await watch.until_ended()
        assert isinstance(completed, PictureCompleted)
        await sender.send_sections(stream.header.to_bytes(), [strange])
        *_, failed = await watch.until_ended(2)
        assert isinstance(failed, PictureFailed)
        assert failed.reason == "this version cannot render any of its layers"
    arrived = [event.layer for event in watch.events if isinstance(event, LayerArrived)]
    assert arrived == [Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE]
    assert sorted(len(kept.sections) for kept in streams_in(tmp_path)) == [1, 4]


async def test_a_sender_that_vanishes_leaves_what_came(
    tiny_model: Path, tmp_path: Path, stream: Bitstream, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.server.EXPIRY_SECONDS", 0.05)
    limits = Limits(resume_seconds=1)
    async with Receiver(
        ANY_PORT,
        render=RenderOptions(model=tiny_model, steps=2),
        archive=tmp_path,
        on_event=watch,
        security=Security(limits=limits),
    ) as receiver:
        transport = await open_transport(receiver.url)
        async with Sender(receiver.url, transport=transport, link=SLOW) as sender:
            sending = asyncio.create_task(sender.send(stream))
            await watch.until(lambda: watch.of(LayerArrived))
            # No farewell: the socket just goes.
            transport._connection.transport.abort()  # type: ignore[attr-defined]
            with pytest.raises(DisconnectedError):
                await sending
        (failed,) = await watch.until_ended()
        assert isinstance(failed, PictureFailed)
        async with Sender(receiver.url) as sender:
            await sender.send(stream)
            await watch.until_ended(2)
    sizes = sorted(len(kept.sections) for kept in streams_in(tmp_path))
    assert sizes[0] < sizes[1] == 3


async def test_of_too_many_pictures_the_oldest_gives_way_and_is_kept_all_the_same(
    tiny_model: Path, tmp_path: Path, stream: Bitstream, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("receiver.pipeline.MAX_OPEN_PICTURES", 1)
    async with (
        Receiver(
            ANY_PORT, render=RenderOptions(model=tiny_model, steps=2), on_event=watch, archive=tmp_path
        ) as receiver,
        Sender(receiver.url, link=SLOW) as slow,
        Sender(receiver.url) as quick,
    ):
        sending = asyncio.create_task(slow.send(stream))
        await watch.until(lambda: watch.of(PictureOpened))
        await quick.send(stream)
        first, second = await watch.until_ended(2)
        assert isinstance(first, PictureFailed)
        assert first.reason == "too many pictures are in progress"
        assert isinstance(second, PictureCompleted)
        assert (await sending).complete
        assert streams_in(tmp_path) == [stream, stream]
        assert not receiver._pipeline._abandoned


async def test_a_picture_that_nobody_goes_on_with_is_not_waited_for(
    tmp_path: Path, stream: Bitstream, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restarted sender connects with the same stream id, has forgotten a picture, and sends another."""
    monkeypatch.setattr("receiver.pipeline.IDLE_SECONDS", 0.5)
    monkeypatch.setattr("receiver.receiver.IDLE_CHECK_SECONDS", 0.1)
    async with Receiver(ANY_PORT, model=None, archive=tmp_path, on_event=watch) as receiver:
        transport = await open_transport(receiver.url)
        async with Sender(
            receiver.url, transport=transport, link=SLOW, identity=SenderIdentity(stream_id=b"ship", epoch=1)
        ) as sender:
            sending = asyncio.create_task(sender.send(stream, picture_id=1))
            await watch.until(lambda: watch.of(LayerArrived))
            transport._connection.transport.abort()  # type: ignore[attr-defined]
            with pytest.raises(DisconnectedError):
                await sending
        async with Sender(receiver.url, identity=SenderIdentity(stream_id=b"ship", epoch=1)) as sender:
            await sender.send(stream, picture_id=2)
            await watch.until_ended(2)
            assert len(watch.of(PictureCompleted)) == 1
            (failed,) = watch.of(PictureFailed)
            assert isinstance(failed, PictureFailed)
            assert failed.reason == "no data arrived for hours"
            async with asyncio.timeout(PATIENCE):
                await receiver.drain()
            # Should it be remembered after all, it is kept.
            await sender.send(stream, picture_id=1)
            assert streams_in(tmp_path) == [stream, stream]


async def test_senders_that_come_while_the_model_loads_wait(tiny_model: Path, stream: Bitstream, watch: Watch) -> None:
    receiver = Receiver(ANY_PORT, render=RenderOptions(model=tiny_model, steps=2), on_event=watch)
    opened, done = asyncio.Event(), asyncio.Event()

    async def run() -> None:
        async with receiver:
            opened.set()
            await done.wait()

    running = asyncio.create_task(run())
    async with asyncio.timeout(PATIENCE):
        while not receiver._server._listeners:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)
    assert receiver.condition is ReceiverCondition.LOADING
    async with Sender(receiver.url) as sender:
        assert not opened.is_set()
        await sender.send(stream)
    await watch.until_ended()
    done.set()
    await running


async def test_a_taken_port_is_told_before_the_model_is_looked_for(tiny_model: Path) -> None:
    async with Receiver(ANY_PORT, model=tiny_model) as receiver:
        with pytest.raises(ListenError, match="cannot listen on port"):
            async with Receiver(receiver.url, model="no such model"):
                pass


@pytest.mark.parametrize(
    ("model", "error"), [("no such model", UnknownModelError), ("nobody/no-model", MissingModelError)]
)
async def test_without_its_model_a_receiver_lets_go_of_the_port(
    model: str, error: type[Exception], tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    receiver = Receiver(ANY_PORT, model=model)
    with pytest.raises(error):
        await receiver.__aenter__()
    async with Receiver(receiver._server.url, model=tiny_model):
        pass


async def test_a_wrong_token_is_refused(tiny_model: Path, stream: Bitstream, watch: Watch) -> None:
    async with Receiver(
        ANY_PORT, render=RenderOptions(model=tiny_model, steps=2), token="secret", on_event=watch
    ) as receiver:
        for token in (None, "wrong"):
            with pytest.raises(AuthenticationError):
                await Sender(receiver.url, token=token).__aenter__()
        async with Sender(receiver.url, token="secret") as sender:
            await sender.send(stream)
        await watch.until_ended()
    assert len(watch.of(PictureOpened)) == 1


def test_what_makes_no_sense_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least 1 step, not 0"):
        Receiver(render=RenderOptions(steps=0))
    with pytest.raises(UsageError, match="token"):
        Receiver(token="x" * 300)
    (tmp_path / "file").touch()
    with pytest.raises(ArchiveError, match="is a file, not a folder"):
        Receiver(archive=tmp_path / "file")


async def test_what_is_kept_and_not_drawn_is_drawn_when_it_starts(
    tiny_model: Path, tmp_path: Path, stream: Bitstream, watch: Watch
) -> None:
    began = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
    label = label_of(b"ship", 1, 7)
    Archive(tmp_path).store(label, began, stream)
    async with Receiver(ANY_PORT, render=RenderOptions(model=tiny_model, steps=2), archive=tmp_path, on_event=watch):
        (completed,) = await watch.until_ended()
    assert (type(completed), completed.picture) == (PictureCompleted, label)
    (opened,) = watch.of(PictureOpened)
    assert isinstance(opened, PictureOpened)
    assert opened.picture == label
    assert sorted(path.suffixes[-1] for path in files_in(tmp_path)) == [".lcast", ".png"]
    assert streams_in(tmp_path) == [stream]
    before = len(watch.events)
    async with Receiver(
        ANY_PORT, render=RenderOptions(model=tiny_model, steps=2), archive=tmp_path, on_event=watch
    ) as receiver:
        assert receiver._redrawing is not None
        await receiver._redrawing
    assert len(watch.events) == before


async def test_what_cannot_be_kept_is_not_acknowledged(
    tiny_model: Path, tmp_path: Path, stream: Bitstream, watch: Watch
) -> None:
    archive = tmp_path / "archive"
    async with Receiver(
        ANY_PORT, render=RenderOptions(model=tiny_model, steps=2), archive=archive, on_event=watch
    ) as receiver:
        shutil.rmtree(archive)
        async with Sender(receiver.url) as sender:
            with pytest.raises((DisconnectedError, RemoteProtocolError)):
                await sender.send(stream)
        archive.mkdir()
        async with Sender(receiver.url) as sender:
            assert (await sender.send(stream)).complete
        assert streams_in(archive) == [stream]


async def test_without_a_model_pictures_are_only_kept(tmp_path: Path, stream: Bitstream, watch: Watch) -> None:
    async with (
        Receiver(ANY_PORT, model=None, archive=tmp_path, on_event=watch) as receiver,
        Sender(receiver.url) as sender,
    ):
        await sender.send(stream)
        await watch.until_ended()
        assert streams_in(tmp_path) == [stream]
    assert [type(event) for event in watch.events] == [
        PictureOpened,
        LayerArrived,
        LayerArrived,
        LayerArrived,
        PictureCompleted,
    ]


async def test_what_is_held_is_not_taken_in_twice_not_even_after_a_restart(
    tmp_path: Path, stream: Bitstream, watch: Watch
) -> None:
    for _ in range(2):
        async with Receiver(ANY_PORT, model=None, archive=tmp_path, on_event=watch) as receiver:
            for number in (7, 7, 9):
                async with Sender(receiver.url, identity=SenderIdentity(stream_id=b"ship", epoch=1)) as sender:
                    assert (await sender.send(stream, picture_id=number)).complete
    assert len(watch.of(PictureOpened)) == len(watch.of(PictureCompleted)) == 2
    assert streams_in(tmp_path) == [stream, stream]
    async with Receiver(ANY_PORT, model=None, archive=tmp_path, on_event=watch) as receiver:
        async with Sender(receiver.url, identity=SenderIdentity(stream_id=b"ship", epoch=2)) as sender:
            await sender.send(stream, picture_id=7)
        async with Sender(receiver.url, identity=SenderIdentity(stream_id=b"")) as sender:
            await sender.send(stream)
        async with Sender(receiver.url, identity=SenderIdentity(stream_id=b"")) as sender:
            await sender.send(stream)
    assert len(streams_in(tmp_path)) == 5


async def test_permissions_tell_who_may_send_which_stream(tmp_path: Path, stream: Bitstream, watch: Watch) -> None:
    path = tmp_path / "tokens.toml"
    path.write_text('[[token]]\nname = "ship"\ntoken = "secret"\nstreams = ["ship-*"]\n')
    async with Receiver(
        ANY_PORT, model=None, security=Security(permissions=Permissions.load(path)), on_event=watch
    ) as receiver:
        for token, name in [("wrong", b"ship-1"), ("secret", b"other")]:
            with pytest.raises(AuthenticationError) as caught:
                async with Sender(receiver.url, token=token, identity=SenderIdentity(stream_id=name)):
                    pass
            assert token not in str(caught.value)
        async with Sender(receiver.url, token="secret", identity=SenderIdentity(stream_id=b"ship-1")) as sender:
            await sender.send(stream)
        await watch.until_ended()
    with pytest.raises(UsageError, match="add this token to them"):
        Receiver(security=Security(permissions=Permissions.load(path)), token="other")


async def test_draining_finishes_what_is_under_way_and_takes_nobody_new(
    tiny_model: Path, stream: Bitstream, watch: Watch
) -> None:
    async with Receiver(ANY_PORT, render=RenderOptions(model=tiny_model, steps=2), on_event=watch) as receiver:
        assert receiver.condition == "ok"
        async with Sender(receiver.url, link=SLOW) as sender:
            sending = asyncio.create_task(sender.send(stream))
            await watch.until(lambda: watch.of(PictureOpened))
            draining = asyncio.create_task(receiver.drain())
            await asyncio.sleep(0)
            assert receiver.condition == "draining"
            with pytest.raises((ConnectError, DisconnectedError)):
                await Sender(receiver.url).__aenter__()
            await draining
            assert [type(event) for event in watch.of(PictureCompleted, PictureFailed)] == [PictureCompleted]
            assert (await sending).complete
    assert receiver.condition == "closed"


async def test_what_happens_is_counted(tiny_model: Path, stream: Bitstream, watch: Watch) -> None:
    async with (
        Receiver(ANY_PORT, render=RenderOptions(model=tiny_model, steps=2), on_event=watch) as receiver,
        Sender(receiver.url) as sender,
    ):
        await sender.send(stream)
        await watch.until_ended()
        text, kind = receiver.metrics.text()
    assert kind.startswith("text/plain")
    counted = dict(line.rsplit(" ", 1) for line in text.decode().splitlines() if not line.startswith("#"))
    sizes = {section.layer: len(section.payload) for section in stream.sections}
    for layer in Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE:
        label = f'{{layer="{layer.name.lower()}"}}'
        assert float(counted[f"layercast_receiver_payload_bytes_total{label}"]) == sizes[layer]
    assert counted['layercast_receiver_pictures_total{outcome="complete"}'] == "1.0"
    assert counted["layercast_receiver_first_frame_seconds_count"] == "1.0"
    assert counted["layercast_receiver_sessions"] == "1.0"
    assert counted["layercast_receiver_open_pictures"] == "0.0"
