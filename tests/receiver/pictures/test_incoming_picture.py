from datetime import UTC, datetime

import pytest
from PIL import Image

from codec.coders.text.payload import encode_text
from codec.container.bitstream import Coder, Header
from codec.layers import Layer, Semantic
from layercast_common.errors import BitstreamError
from protocol.connection.events import SectionReceived
from receiver.pictures.incoming_picture import IncomingPicture
from receiver.rendering.frames import Frame

NOW = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)


def arrival() -> IncomingPicture:
    return IncomingPicture("a1-0", Header(64, 64, 0, "mini"), NOW)


def section(layer: int, coder: int, payload: bytes, index: int = 0) -> SectionReceived:
    return SectionReceived(
        session="a1", picture_id=0, index=index, layer=layer, coder=coder, payload=payload, received=10 + len(payload)
    )


def frame(step: int, steps: int = 8) -> Frame:
    return Frame(
        image=Image.new("RGB", (8, 8)), layers=frozenset(), step=step, steps=steps, final=step == steps, seconds=0.0
    )


def test_numbers_from_the_wire_become_sections_that_decode() -> None:
    picture = arrival()
    payload = encode_text(Semantic("a fox"))
    assert picture.add(section(0, 0, payload)) == [Layer.SEMANTIC]
    assert picture.received == 10 + len(payload)
    assert picture.stream.sections[0].coder is Coder.TEXT
    assert picture.stream.decode().semantic == Semantic("a fox")


def test_what_is_not_known_is_kept_and_not_drawn() -> None:
    picture = arrival()
    assert not picture.add(section(5, 9, b"later", index=1))
    assert not picture.add(section(1, 30, b"newer", index=0))
    assert [(s.layer, s.coder, s.payload) for s in picture.stream.sections] == [(1, 30, b"newer"), (5, 9, b"later")]
    assert picture.stream.decode().layers == frozenset()


def test_bit_planes_wait_for_those_before_them() -> None:
    picture = IncomingPicture("a1-0", Header(64, 64, 0, "mini"), NOW, planes=frozenset({1, 2, 3, 4}))
    payload = encode_text(Semantic("a fox"))
    assert picture.add(section(3, 4, b"same", index=3)) == []
    assert picture.add(section(3, 4, b"same", index=2)) == []
    assert list(picture.stream.sections) == []
    assert picture.add(section(0, 0, payload, index=0)) == [Layer.SEMANTIC]
    assert picture.add(section(2, 4, b"first", index=1)) == [Layer.TEXTURE, Layer.DETAIL, Layer.DETAIL]
    assert picture.add(section(3, 4, b"last", index=4)) == [Layer.DETAIL]
    assert [part.payload for part in picture.stream.sections] == [payload, b"first", b"same", b"same", b"last"]


@pytest.mark.parametrize(("layer", "coder"), [(9, 0), (0, 40), (7, 31)])
def test_what_no_file_can_hold_is_refused(layer: int, coder: int) -> None:
    picture = arrival()
    with pytest.raises(BitstreamError, match=f"no section can have layer {layer} and coder {coder}"):
        picture.add(section(layer, coder, b"?"))
    assert list(picture.stream.sections) == []


def test_the_first_frame_is_wanted_however_rough() -> None:
    assert arrival().improves(frame(1))


@pytest.mark.parametrize(("step", "wanted"), [(1, False), (3, False), (4, True), (7, True), (8, True)])
def test_later_a_frame_is_wanted_from_half_of_its_steps_on(step: int, wanted: bool) -> None:
    picture = arrival()
    picture.shown = True
    assert picture.improves(frame(step)) is wanted
