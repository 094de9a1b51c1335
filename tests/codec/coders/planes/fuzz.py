"""Fuzzer of the plane decoder: arbitrary bytes must decode or raise `BitstreamError`.

python -m tests.codec.coders.planes.fuzz --inputs 20000
"""

import argparse
import sys
import time

import numpy as np

from codec.coders.planes.payload import decode_planes, encode_planes, max_bytes, to_coefficients
from layercast_common.errors import BitstreamError
from tests.support.pictures import draw_picture

CANVASES = ((512, 512), (96, 64), (1, 1), (1, 300), (37, 5), (640, 480), (1025, 1025))


def good_payloads() -> list[list[bytes]]:
    """Return valid sections of drawn and of random pictures."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    drawn = to_coefficients(draw_picture())
    return [
        encode_planes(drawn, (512, 512), [120, 200, 335]),
        encode_planes(drawn, (512, 512), [2000]),
        encode_planes(to_coefficients(noise), (96, 64), [300, 600]),
    ]


def mutate(payloads: list[bytes], random: np.random.Generator) -> list[bytes]:
    """Return the payloads with bytes changed, truncated, inserted or overwritten, and sections added."""
    result = [bytearray(payload) for payload in payloads]
    for _ in range(random.integers(0, 6)):
        section = result[random.integers(len(result))]
        place = int(random.integers(len(section) + 1))
        match random.integers(5):
            case 0:
                section[place : place + 1] = random.bytes(1)
            case 1:
                del section[place:]
            case 2:
                section[place:place] = random.bytes(int(random.integers(1, 40)))
            case 3:
                section[place : place + 30] = bytes([random.choice([0, 255])]) * 30
            case _:
                result.append(bytearray(random.bytes(int(random.integers(0, 400)))))
    return [bytes(section) for section in result]


def fuzz(inputs: int, seed: int) -> tuple[int, float]:
    """Decode mutated inputs; return the number rejected, and the longest CPU time of one input in seconds."""
    random = np.random.default_rng(seed)
    good = good_payloads()
    decode_planes(good[0], (512, 512))
    rejected, slowest = 0, 0.0
    for _ in range(inputs):
        payloads = mutate(good[random.integers(len(good))], random)
        canvas = CANVASES[random.integers(len(CANVASES))]
        missing = int(random.choice([0, 0, 1, 5, 1000, max_bytes(canvas)]))
        start = time.thread_time()
        try:
            plane = decode_planes(payloads, canvas, missing)
        except BitstreamError:
            rejected += 1
        else:
            assert plane.magnitudes.shape == (3, canvas[1], canvas[0])
            assert plane.magnitudes.min() >= 0
            assert ((plane.signs != 0) == (plane.magnitudes > 0)).all()
        slowest = max(slowest, time.thread_time() - start)
    return rejected, slowest


def main() -> int:
    """Run the command; return its exit code. Unexpected exceptions propagate."""
    parser = argparse.ArgumentParser(prog="python -m tests.codec.coders.planes.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000, help="number of inputs (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    options = parser.parse_args()
    rejected, slowest = fuzz(options.inputs, options.seed)
    sys.stdout.write(f"{options.inputs} inputs, {rejected} rejected, slowest {1000 * slowest:.1f} ms\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
