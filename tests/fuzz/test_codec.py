"""A short run of the codec fuzzer; `python -m tests.fuzz.codec` runs it at length."""

import json
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codec.container.bitstream import Coder
from tests.fuzz.choices import ScriptedChoices
from tests.fuzz.codec import MOST_BYTES, Input, Tally, choose, feed, main
from tests.fuzz.streams import CANVASES, good_payloads, heavy_payloads


def untimed() -> Tally:
    """Return a tally for which no input counts as slow, so that none is timed again."""
    return Tally(slowest_s=math.inf)


def test_a_few_hundred_inputs(capsys: pytest.CaptureFixture[str]) -> None:
    # Ignore the exit code: it depends on times, which a busy machine may exceed.
    main(["--inputs", "600", "--seed", "1", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert report["inputs"] == 600
    assert report["most_allocated_mb"] < MOST_BYTES >> 20
    for kind in ("stream", "header", *(coder.name for coder in Coder)):
        assert report["outcomes"][f"{kind} decoded"] > 5
        assert report["outcomes"].get(f"{kind} refused", 0) + report["outcomes"].get(f"{kind} cut short", 0) > 5


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_inputs_that_hypothesis_chooses(script: bytes) -> None:
    feed(choose(ScriptedChoices(script)), untimed())


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["stream", "header", *(coder.name for coder in Coder)]), st.binary(max_size=100), st.booleans())
@example("stream", b"\xb1L", True)
def test_bytes_that_hypothesis_chooses(kind: str, data: bytes, cut: bool) -> None:
    feed(Input(kind, data, cut=cut), untimed())


@pytest.mark.parametrize("coder", Coder)
def test_the_heaviest_payloads_for_every_canvas(coder: Coder) -> None:
    for data in (*good_payloads(coder), *heavy_payloads(coder)):
        for canvas in CANVASES[::3]:
            feed(Input(coder.name, data, canvas), untimed(), watched=canvas == CANVASES[0])


def test_a_failing_input_is_reported() -> None:
    with pytest.raises(AssertionError, match=r"input 1 of a nothing, nothing of 2 bytes .*: 6869"):
        feed(Input("nothing", b"hi"), untimed())
