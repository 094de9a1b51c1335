"""layercast as a contender: encoded like `layercast encode`, rendered like a receiver does."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import codec
import receiver.rendering
from codec.container.bitstream import Bitstream
from codec.encoder.options import EncodeOptions
from codec.encoder.picture import encode_picture
from codec.layers import Layer
from evaluation.rate_distortion.pictures import Subject, digest_files
from evaluation.rate_distortion.points import Measured, Point
from layercast_common.errors import BudgetError, StorageError
from receiver.rendering.engine.direct import render
from receiver.rendering.model_files.files import find_files

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Larger files of a model are identified by name, size and date instead of their content, in bytes.
_LARGE = 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class LayercastContender:
    """layercast with one set of options.

    Attributes:
        name: its name in results and file names.
        encoding: how pictures are encoded; its budget is replaced by those that are measured.
        without: a layer that is left out of the rendering, and whose bytes are not counted.
        device: where the model runs, see `load_model`.
        steps: denoising steps; None for the model's own number.
    """

    name: str = "layercast"
    encoding: EncodeOptions
    without: Layer | None = None
    device: str = "auto"
    steps: int | None = None

    @property
    def label(self) -> str:
        """Its name for people: the name."""
        return self.name

    @property
    def settings(self) -> str:
        """The options that differ from the defaults."""
        values = {field.name: getattr(self.encoding, field.name) for field in fields(self.encoding)}
        changed = [
            f"{field.name}={values[field.name]}"
            for field in fields(self.encoding)
            if field.name not in ("budget", "bpp", "seed") and values[field.name] != field.default
        ]
        more = [f"without {self.without.name.lower()}"] if self.without is not None else []
        more += [f"steps={self.steps}"] if self.steps is not None else []
        return ", ".join([*changed, *more]) or "default options"

    def identity(self) -> str:
        """Return the options, and digests of the code and of the model's files."""
        options = f"{replace(self.encoding, budget=None, bpp=None)} {self.without} {self.device} {self.steps}"
        return f"{self.name} {options} {_code_digest()} {_model_digest(self.encoding.model)}"

    def measure(self, subject: Subject, budgets: Sequence[int], figures: Sequence[str]) -> Iterator[Point]:
        """Measure a picture at each budget, in their order.

        Raises:
            LayercastError: the picture cannot be encoded or rendered.
        """
        for budget in budgets:
            point = Point(
                contender=self.name,
                picture=subject.path.name,
                budget=budget,
                size=subject.size,
                seed=self.encoding.seed,
            )
            started = time.perf_counter()
            try:
                stream = self.encode(subject, budget)
            except BudgetError as error:
                yield replace(point, reason=str(error))
                continue
            encoded = time.perf_counter()
            pixels = self.draw(stream)
            seconds = (encoded - started, time.perf_counter() - encoded)
            size = len(stream.to_bytes()) - (0 if self.without is None else stream.size_of(self.without))
            found = subject.reference.measure(pixels, figures)
            yield replace(
                point,
                figures={
                    name: Measured(
                        value=value, bytes=size, settings=self.settings, encode_s=seconds[0], decode_s=seconds[1]
                    )
                    for name, value in found.items()
                },
            )

    def encode(self, subject: Subject, budget: int) -> Bitstream:
        """Encode a picture in at most `budget` bytes.

        Raises:
            BudgetError: the budget cannot be met.
            LayercastError: the picture cannot be read.
        """
        options = replace(self.encoding, canvas=subject.size, budget=budget, bpp=None)
        return encode_picture(subject.path, options).stream

    def draw(self, stream: Bitstream) -> NDArray[np.uint8]:
        """Render a stream like a receiver that has all of it; return the last frame, (H, W, 3) uint8 RGB."""
        priors = stream.decode()
        if self.without is not None:
            priors = priors.only(layer for layer in priors.layers if layer != self.without)
        image = None
        model = loaded_model(self.encoding.model, self.device)
        for frame in render(priors, stream.header.seed, model=model, steps=self.steps):
            image = frame.image
        assert image is not None
        return np.asarray(image, np.uint8)


@cache
def loaded_model(name: str, device: str) -> "Model":
    """Return a model; each process loads it once.

    Raises:
        RenderError: the model cannot be loaded.
    """
    from receiver.rendering import load_model

    return load_model(name, device)


@cache
def _code_digest() -> str:
    """Return a digest of all code and tables that may change a stream or its rendering."""
    folders = [Path(str(package.__file__)).parent for package in (codec, receiver.rendering)]
    files = (file for folder in folders for file in sorted(folder.rglob("*")) if file.suffix in (".py", ".npz", ".bin"))
    tables = (file for file in sorted((folders[0] / "tables").iterdir()) if file.is_file())
    return digest_files([*files, *tables])[:16]


@cache
def _model_digest(name: str) -> str:
    """Return a digest of a model's files."""
    base = find_files(name).parts["unet"].parent
    small, large = [], []
    for file in sorted(file for file in base.rglob("*") if file.is_file()):
        try:
            status = file.stat()
        except OSError as error:
            raise StorageError.of(error, file) from error
        if status.st_size > _LARGE:
            large.append(f"{file.name} {status.st_size} {status.st_mtime_ns}")
        else:
            small.append(file)
    return digest_files(small, "\n".join(large))[:16]
