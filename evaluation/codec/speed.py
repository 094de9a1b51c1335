"""Speed: warm encoding and decoding on one core, and the whole command from a cold start."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from PIL import Image

from codec.container.bitstream import Bitstream
from codec.encoder.encode import encode
from evaluation.codec.pictures import Measured, Track
from layercast_common.errors import LayercastError

#: Runs with each picture; the fastest counts, as the others were interrupted.
RUNS = 3

#: Runs of the whole command, after a first one that may compile.
COLD_STARTS = 5

_LONGEST_START = 120


@dataclass(frozen=True, slots=True)
class SpeedResult:
    """Medians, in seconds.

    Attributes:
        encode_s: CPU time from a picture and a prompt to bytes, at the default budget.
        decode_s: CPU time from bytes to priors.
        start_s: wall time of `layercast encode` from a cold start.
    """

    encode_s: float
    decode_s: float
    start_s: float


def measure_speed(pictures: Sequence[Measured], prompts: Sequence[str], track: Track) -> SpeedResult:
    """Time every picture in one thread after a warm-up, and then the command.

    Raises:
        LayercastError: the command failed.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        _time_coding(pictures[0], prompts[0])
        coding = [
            min((_time_coding(picture, prompts[index % len(prompts)]) for _ in range(RUNS)), key=sum)
            for index, picture in enumerate(track(pictures, "speed, warm"))
        ]
    finally:
        cv2.setNumThreads(threads)
    starts = [_time_command(pictures[0]) for _ in track(range(COLD_STARTS + 1), "speed, cold")][1:]
    encoding, decoding = zip(*coding, strict=True)
    return SpeedResult(statistics.median(encoding), statistics.median(decoding), statistics.median(starts))


def _time_coding(picture: Measured, prompt: str) -> tuple[float, float]:
    start = time.thread_time()
    data = encode(picture.pixels, prompt).to_bytes()
    encoded = time.thread_time()
    Bitstream.from_bytes(data).decode()
    return encoded - start, time.thread_time() - encoded


def _time_command(picture: Measured) -> float:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "picture.png"
        Image.fromarray(picture.pixels).save(source)
        arguments = ["encode", str(source), "-o", f"{folder}/picture.lcast", "--prompt", "a picture", "--quiet"]
        # The command must find a checkout that is not installed.
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        start = time.perf_counter()
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "layercast", *arguments],
            capture_output=True,
            check=False,
            env=environment,
            timeout=_LONGEST_START,
        )
        seconds = time.perf_counter() - start
    if done.returncode:
        raise LayercastError(f"layercast encode failed: {done.stderr.decode(errors='replace').strip()}")
    return seconds
