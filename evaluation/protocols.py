"""Protocols of the field: which pictures, at which size, by which figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from PIL import Image

from codec.layers import Size
from codec.reading.formats import FORMATS
from layercast_common.errors import PictureError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuringProtocol:
    """How a set of pictures is measured.

    Attributes:
        name: its name.
        about: where it comes from.
        count: pictures of the set.
        sizes: the allowed sizes of its pictures, (width, height) in pixels; empty for any.
        canvas: the canvas; "native" for the pictures' own size, down to the next multiple of 64.
        figures: figures that the protocol reports, weights needed or not.
    """

    name: str
    about: str
    count: int
    sizes: frozenset[Size] = frozenset()
    canvas: Size | Literal["native"] = "native"
    figures: tuple[str, ...]

    def check(self, paths: Sequence[Path], *, whole: bool) -> None:
        """Check that a folder holds the protocol's pictures.

        Args:
            paths: the pictures.
            whole: whether all pictures of the set must be there.

        Raises:
            UsageError: the number or the size of the pictures is not the protocol's.
            PictureError: a picture cannot be read.
        """
        if whole and len(paths) != self.count:
            raise UsageError(
                f"the protocol {self.name} has {self.count} pictures, and the folder {len(paths)}; "
                "--count measures a part of the set, and says so"
            )
        for path in paths if self.sizes else ():
            try:
                with Image.open(path, formats=FORMATS) as image:
                    size = image.size
            except OSError as error:
                raise PictureError(f"{path}: {error}") from error
            if size not in self.sizes:
                allowed = " or ".join(f"{width}x{height}" for width, height in sorted(self.sizes))
                raise UsageError(
                    f"{path.name} has {size[0]}x{size[1]} pixels; pictures of the protocol {self.name} have {allowed}"
                )


#: The protocols by name.
PROTOCOLS: Mapping[str, MeasuringProtocol] = {
    protocol.name: protocol
    for protocol in (
        MeasuringProtocol(
            name="kodak",
            about="Kodak, 24 pictures, not cropped; as AEIC (LuizScarlet/AEIC, src/evaluate.py)",
            count=24,
            sizes=frozenset({(768, 512), (512, 768)}),
            figures=("psnr", "ms_ssim_rgb", "lpips", "dists"),
        ),
        MeasuringProtocol(
            name="clic",
            about="CLIC2020 test, 428 pictures; as AEIC (LuizScarlet/AEIC, src/evaluate.py)",
            count=428,
            figures=("psnr", "ms_ssim_rgb", "lpips", "dists", "fid", "kid"),
        ),
        MeasuringProtocol(
            name="agiqa",
            about="AGIQA-3K; as arXiv 2412.12982",
            count=2982,
            canvas=(512, 512),
            figures=("dists", "niqe", "clip_similarity", "fid"),
        ),
    )
}
