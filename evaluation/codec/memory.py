"""Memory and time that reading large pictures takes, format by format, each in a process of its own.

python -m evaluation.codec.memory
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from codec.image_io import load_picture
from layercast_common.errors import StorageError

#: Formats and modes, with (width, height) and options of the writer. The pixels are soft waves: of a picture in one
#: colour, decoders may touch less memory.
CASES: dict[str, tuple[str, str, tuple[int, int], dict[str, object]]] = {
    "PNG of 16 bits, 8900x8900": ("PNG", "I;16", (8900, 8900), {"compress_level": 1}),
    "PNG RGB, 8900x8900": ("PNG", "RGB", (8900, 8900), {"compress_level": 1}),
    "PNG RGBA, 8900x8900": ("PNG", "RGBA", (8900, 8900), {"compress_level": 1}),
    "JPEG, 12000x9000": ("JPEG", "RGB", (12_000, 9_000), {"quality": 50}),
    "JPEG progressive, 12000x9000": ("JPEG", "RGB", (12_000, 9_000), {"quality": 50, "progressive": True}),
    "TIFF RGB, 8900x8900": ("TIFF", "RGB", (8900, 8900), {}),
    "GIF, 8900x8900": ("GIF", "P", (8900, 8900), {}),
    "WebP RGB, 6000x6000": ("WEBP", "RGB", (6000, 6000), {"method": 0, "quality": 10}),
    "WebP RGBA, 6000x6000": ("WEBP", "RGBA", (6000, 6000), {"method": 0, "quality": 10}),
    "WebP lossless RGBA, 5000x5000": ("WEBP", "RGBA", (5000, 5000), {"method": 0, "quality": 0, "lossless": True}),
    "AVIF RGB, 5500x5500": ("AVIF", "RGB", (5500, 5500), {"speed": 10, "quality": 10}),
    "AVIF RGBA, 5500x5500": ("AVIF", "RGBA", (5500, 5500), {"speed": 10, "quality": 10, "subsampling": "4:4:4"}),
    "JPEG 2000 RGB, 5000x5000": ("JPEG2000", "RGB", (5000, 5000), {}),
    "JPEG 2000 RGBA, 5000x5000": ("JPEG2000", "RGBA", (5000, 5000), {}),
}


def main() -> None:
    """Print a row for each case, or as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="cases whose name contains this text")
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.add_argument("--read", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read is not None:
        sys.stdout.write(json.dumps(_read(options.read)) + "\n")
        return
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, case in CASES.items():
            if options.only is None or options.only in name:
                rows[name] = _measure(Path(folder) / "picture", *case)
                if not options.json:
                    row = rows[name]
                    sys.stdout.write(
                        f"{name}: {row['mebibytes']:.0f} MiB, {row['bytes_per_pixel']:.1f} bytes a pixel, "
                        f"{row['seconds']:.2f} s of CPU\n"
                    )
                    sys.stdout.flush()
    if options.json:
        sys.stdout.write(json.dumps(rows) + "\n")


def _measure(file: Path, kind: str, mode: str, size: tuple[int, int], writing: dict[str, object]) -> dict[str, float]:
    _draw(mode, size).save(file, kind, **writing)
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "evaluation.codec.memory", "--read", str(file)], capture_output=True, check=True
    )
    figures: dict[str, float] = json.loads(done.stdout)
    figures["bytes_per_pixel"] = figures["mebibytes"] * 2**20 / (size[0] * size[1])
    return figures


def _draw(mode: str, size: tuple[int, int]) -> Image.Image:
    coarse = np.random.default_rng(0).integers(0, 256, (40, 40, 4), np.uint8)
    if mode == "I;16":
        return Image.fromarray(np.asarray(Image.fromarray(coarse[..., 0]).resize(size)).astype(np.uint16) * 257)
    return Image.fromarray(coarse).convert("RGBA").resize(size, Image.Resampling.BILINEAR).convert(mode)


def _read(file: Path) -> dict[str, float]:
    # A small picture first loads the libraries.
    small = io.BytesIO()
    Image.new("RGB", (8, 8)).save(small, "PNG")
    load_picture(small.getvalue())
    before, start = _peak(), time.process_time()
    load_picture(file)
    return {"mebibytes": (_peak() - before) / 2**20, "seconds": time.process_time() - start}


def _peak() -> int:
    """Return the largest memory of this process so far, in bytes. Linux alone reports it without the parent's."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise StorageError("/proc/self/status does not report the peak", path="/proc/self/status")


if __name__ == "__main__":
    main()
