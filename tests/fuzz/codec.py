"""Fuzz every decoder of the codec: only `BitstreamError` may be raised, quickly and with little memory.

    python -m tests.fuzz.codec --inputs 200000

An input is a whole stream, a header, or the payload of one coder with its base map. It is decoded as complete and as a
prefix. Times are CPU times of this thread, so other programs do not matter.
"""

import argparse
import json
import resource
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import Progress

from codec.coders.colors import payload as colors
from codec.coders.colors.payload import decode_colors
from codec.coders.edges import payload as edges
from codec.coders.edges.payload import decode_edges
from codec.coders.planes.payload import MAX_DECISIONS, decode_planes
from codec.coders.skeleton import decode_skeleton
from codec.coders.text.payload import MAX_TEXT, decode_text
from codec.container.bitstream import Bitstream, Coder
from codec.container.header import Header
from codec.container.sections import MAX_PAYLOAD, MAX_SECTIONS
from codec.layers import EdgeMap, Priors, Size, Skeleton
from layercast_common.errors import BitstreamError, TruncatedError
from tests.fuzz.choices import Choices, RandomChoices
from tests.fuzz.streams import CANVAS, CANVASES, changed, good_payloads, heavy_payloads, payload, stream

#: Limits of an input: decoding time in seconds, without bit planes and with them, and peak memory in bytes.
MOST_SECONDS = 0.05
MOST_PLANES_SECONDS = MOST_SECONDS + 3e-6 * MAX_DECISIONS
MOST_BYTES = 64 << 20

#: Memory is measured for one input in this many, as that takes several times as long.
WATCHED_ONE_IN = 50

#: Repeated timings of a slow input; the first one may include memory allocation or garbage collection.
TRIES = 3


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a decoder.

    Attributes:
        kind: the decoder's name.
        data: the bytes.
        canvas: the canvas of a payload.
        cut: the bytes are decoded as a prefix.
    """

    kind: str
    data: bytes
    canvas: Size = CANVAS
    cut: bool = False


@dataclass(slots=True)
class Tally:
    """Results of a fuzzing run.

    Attributes:
        inputs: number of inputs.
        outcomes: number of inputs by kind and outcome.
        slowest_share: time of the slowest input, as a share of its limit.
        slowest: the slowest input.
        most_bytes: largest peak memory of a measured input.
        largest: that input.
    """

    inputs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_share: float = 0.0
    slowest: Input | None = None
    most_bytes: int = 0
    largest: Input | None = None


def choose(choices: Choices) -> Input:
    """Choose an input."""
    cut = bool(choices.below(2))
    kind = choices.pick(("stream", "stream", "header", *(coder.name for coder in Coder)))
    match kind:
        case "stream":
            return Input(kind, stream(choices), cut=cut)
        case "header":
            size = choices.pick(CANVASES)
            header = Header(*size, choices.below(1 << 32), choices.pick(("mini", "#40", "a model"))).to_bytes()
            return Input(kind, changed(choices, header) if choices.below(4) else choices.data(choices.below(16)))
        case _:
            return Input(kind, payload(choices, Coder[kind]), choices.pick(CANVASES), cut)


def decode(given: Input) -> str:
    """Decode an input, check the result, and return the outcome.

    Raises:
        AssertionError: the result or the error message is not allowed.
    """
    try:
        _DECODE[given.kind](given)
    except BitstreamError as error:
        _check_message(error)
        return "cut short" if isinstance(error, TruncatedError) else "refused"
    return "decoded"


def _check_message(error: BitstreamError) -> None:
    """Check that a message can be displayed and logged: one line without control characters."""
    assert str(error).isprintable()


def _stream(given: Input) -> None:
    read = Bitstream.from_bytes(given.data, partial=given.cut)
    assert len(read.sections) <= MAX_SECTIONS
    assert all(len(section.payload) + section.missing <= MAX_PAYLOAD for section in read.sections)
    assert Bitstream.from_bytes(read.to_bytes(), partial=given.cut) == read
    _check_priors(read.decode())


def _header(given: Input) -> None:
    header = Header.parse(given.data)
    assert Header.parse(header.to_bytes()) == header


def _text(given: Input) -> None:
    _check_priors(Priors(CANVAS, semantic=decode_text(given.data, cut=given.cut)))


def _edges(given: Input) -> None:
    base = decode_edges(good_payloads(Coder.EDGES)[1], CANVAS)
    decoded = decode_edges(given.data, given.canvas, base=base, cut=given.cut)
    _check_priors(Priors(given.canvas, structure=decoded))


def _colors(given: Input) -> None:
    base = decode_colors(good_payloads(Coder.COLORS)[0], CANVAS)
    levels = decode_colors(given.data, given.canvas, base=base, cut=given.cut)
    _check_priors(Priors(given.canvas, texture=levels.to_map()))


def _planes(given: Input) -> None:
    before = good_payloads(Coder.PLANES)[: len(given.data) % 3]
    plane = decode_planes([*before, given.data], given.canvas, missing=40 if given.cut else 0)
    assert plane.lowest >= 0
    assert (plane.magnitudes >= 0).all()


def _skeleton(given: Input) -> None:
    _check_priors(Priors(given.canvas, skeleton=decode_skeleton(given.data, given.canvas, cut=given.cut)))


def _check_priors(priors: Priors) -> None:
    """Check that priors are within their limits."""
    if priors.semantic is not None:
        assert len(priors.semantic.prompt.encode()) <= MAX_TEXT
    if isinstance(priors.structure, EdgeMap):
        assert max(priors.structure.grid.shape) <= edges.MAX_SIDE
    if priors.texture is not None:
        assert max(priors.texture.colors.shape) <= colors.MAX_SIDE
    for skeleton in (priors.structure, priors.skeleton):
        if isinstance(skeleton, Skeleton):
            longest = max(priors.canvas)
            points = [point for person in skeleton.people for point in person if point is not None]
            assert all(0 <= x <= longest and 0 <= y <= longest for x, y in points)


_DECODE: dict[str, Callable[[Input], None]] = {
    "stream": _stream,
    "header": _header,
    "TEXT": _text,
    "EDGES": _edges,
    "COLORS": _colors,
    "SKELETON": _skeleton,
    "PLANES": _planes,
}


def feed(given: Input, tally: Tally, *, watched: bool = False) -> None:
    """Decode an input and record the outcome.

    Raises:
        AssertionError: decoding raised another error than `BitstreamError`, or the result is not allowed; the message
            describes the input.
    """
    tally.inputs += 1
    try:
        seconds, outcome = _timed(given)
        tally.outcomes[f"{given.kind} {outcome}"] += 1
        limit = limit_of(given)
        if seconds > tally.slowest_share * limit:
            seconds = min(seconds, *(_timed(given)[0] for _ in range(TRIES)))
        if seconds > tally.slowest_share * limit:
            tally.slowest_share, tally.slowest = seconds / limit, given
        if watched:
            allocated = _allocated(given)
            if allocated > tally.most_bytes:
                tally.most_bytes, tally.largest = allocated, given
    except Exception as error:
        raise AssertionError(f"input {tally.inputs} of a {given.kind}, {_describe(given)}: {error!r}") from error


def limit_of(given: Input) -> float:
    """Return the longest allowed decoding time, in seconds: bit planes have a limit of their own."""
    coders: list[int] = [Coder.PLANES] if given.kind == "PLANES" else []
    if given.kind == "stream":
        with suppress(BitstreamError):
            coders = [section.coder for section in Bitstream.from_bytes(given.data, partial=True).sections]
    return MOST_PLANES_SECONDS if Coder.PLANES in coders else MOST_SECONDS


def _timed(given: Input) -> tuple[float, str]:
    start = time.thread_time()
    outcome = decode(given)
    return time.thread_time() - start, outcome


def _allocated(given: Input) -> int:
    """Return the peak memory of Python and NumPy while decoding, in bytes."""
    tracemalloc.start()
    try:
        decode(given)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def fuzz(inputs: int, seed: int, tally: Tally, on_progress: Callable[[int], None] = lambda _: None) -> None:
    """Decode `inputs` random inputs."""
    choices = RandomChoices(seed)
    # Compile functions and read tables before the measurements.
    for coder in Coder:
        for data in (*good_payloads(coder), *heavy_payloads(coder)):
            decode(Input(coder.name, data))
    for _ in range(inputs):
        feed(choose(choices), tally, watched=choices.one_in(WATCHED_ONE_IN))
        on_progress(1)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code. Unexpected errors propagate with a description of the input."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz.codec",
        description="Fuzz the container and every decoder of the codec.",
        epilog="example: python -m tests.fuzz.codec --inputs 200000 --seed 7",
    )
    parser.add_argument("--inputs", type=int, default=200_000, help="number of inputs (200000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the inputs (0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    tally, began = Tally(), time.perf_counter()
    with Progress(console=Console(stderr=True), disable=options.json) as progress:
        task = progress.add_task("inputs", total=options.inputs)
        fuzz(options.inputs, options.seed, tally, lambda count: progress.advance(task, count))
    report = {
        "inputs": tally.inputs,
        "seed": options.seed,
        "outcomes": dict(sorted(tally.outcomes.items())),
        "slowest_share": round(tally.slowest_share, 3),
        "slowest": _describe(tally.slowest),
        "most_allocated_mb": round(tally.most_bytes / (1 << 20), 2),
        "largest": _describe(tally.largest),
        "process_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
        "seconds": round(time.perf_counter() - began, 1),
        "holds": tally.slowest_share <= 1 and tally.most_bytes <= MOST_BYTES,
    }
    sys.stdout.write(f"{json.dumps(report) if options.json else _summarize(report)}\n")
    return 0 if report["holds"] else 1


def _describe(given: Input | None) -> str:
    if given is None:
        return "none"
    shown = given.data[:40].hex() + ("..." if len(given.data) > 40 else "")
    return f"{given.kind} of {len(given.data)} bytes for {given.canvas}{', cut' if given.cut else ''}: {shown}"


def _summarize(report: dict[str, Any]) -> str:
    outcomes = "\n".join(f"  {count:>7} {name}" for name, count in report["outcomes"].items())
    return (
        f"{report['inputs']} inputs, {report['seconds']} s, seed {report['seed']}: only documented errors\n{outcomes}\n"
        f"slowest: {report['slowest_share']:.0%} of its time limit; {report['slowest']}\n"
        f"most allocated: {report['most_allocated_mb']} MB of {MOST_BYTES >> 20}; {report['largest']}\n"
        f"process: {report['process_mb']} MB at most"
    )


if __name__ == "__main__":
    sys.exit(main())
