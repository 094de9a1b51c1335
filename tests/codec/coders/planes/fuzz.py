"""Any bytes into the plane decoder: nothing but `BitstreamError` may come out.

python -m tests.codec.coders.planes.fuzz --inputs 20000
"""

import argparse
import sys
import time

import numpy as np

from codec.coders.planes.payload import decode_planes, encode_planes, most_bytes, to_coefficients
from layercast_common.errors import BitstreamError
from tests.support.pictures import draw_picture

CANVASES = ((512, 512), (96, 64), (1, 1), (1, 300), (37, 5), (640, 480), (1025, 1025))


def good_payloads() -> list[list[bytes]]:
    """Sections of drawn and of random pictures."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    house = to_coefficients(draw_picture())
    return [
        encode_planes(house, (512, 512), [120, 200, 335]),
        encode_planes(house, (512, 512), [2000]),
        encode_planes(to_coefficients(noise), (96, 64), [300, 600]),
    ]


def mutate(payloads: list[bytes], random: np.random.Generator) -> list[bytes]:
    """The payloads with some bytes changed, cut off, put in or swapped with other sections'."""
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
    """Decode so many inputs; return how many were refused, and the longest that one took, in seconds of this thread."""
    random = np.random.default_rng(seed)
    good = good_payloads()
    decode_planes(good[0], (512, 512))
    refused, slowest = 0, 0.0
    for _ in range(inputs):
        payloads = mutate(good[random.integers(len(good))], random)
        canvas = CANVASES[random.integers(len(CANVASES))]
        missing = int(random.choice([0, 0, 1, 5, 1000, most_bytes(canvas)]))
        start = time.thread_time()
        try:
            plane = decode_planes(payloads, canvas, missing)
        except BitstreamError:
            refused += 1
        else:
            assert plane.magnitudes.shape == (3, canvas[1], canvas[0])
            assert plane.magnitudes.min() >= 0
            assert ((plane.signs != 0) == (plane.magnitudes > 0)).all()
        slowest = max(slowest, time.thread_time() - start)
    return refused, slowest


def main() -> int:
    """Run the command; return its exit code. What should not escape does."""
    parser = argparse.ArgumentParser(prog="python -m tests.codec.coders.planes.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000, help="how many (20000)")
    parser.add_argument("--seed", type=int, default=0, help="decides which (0)")
    options = parser.parse_args()
    refused, slowest = fuzz(options.inputs, options.seed)
    sys.stdout.write(f"{options.inputs} inputs, {refused} refused, slowest {1000 * slowest:.1f} ms\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
