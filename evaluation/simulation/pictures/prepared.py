"""Prepares pictures: encodes our stream and the rivals' files, and computes what each part of them shows, once."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.canvas import fit_to_canvas
from codec.container.bitstream import Bitstream
from codec.encoder.options import EncodeOptions
from codec.encoder.picture import encode_picture
from codec.image_io import load_picture
from evaluation.quality.quality import Quality, compare
from evaluation.simulation.pictures.formats import part_sizes, rival_formats
from evaluation.simulation.pictures.rivals import file_as_good, file_of_size, scaled_up
from evaluation.simulation.pictures.shown import draw, usable
from evaluation.simulation.pictures.store import Store
from evaluation.simulation.scenario.model import Measures, Rivals
from layercast_common.errors import StorageError
from sender.connection.layer_order import prioritize

#: Raised when what a state shows changes; older files in a folder are then computed again.
PICTURES_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureJob:
    """What to prepare of one picture.

    Attributes:
        image: the picture file.
        budget: most bytes of our stream.
        order: the order of layers.
        model: renders our frames, or "none".
        rivals, measures: as in the scenario.
    """

    image: Path
    budget: int
    order: str
    model: str
    rivals: Rivals
    measures: Measures


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class RivalPlan:
    """A rival's file as the link sees it.

    Attributes:
        name: of the rival, with how its size was chosen, such as "webp@quality".
        size: of the file, in bytes.
        reached: whether the file has the bytes or quality that were asked for.
        parts: numbers of bytes from which on something better is shown, in order, with the figures.
    """

    name: str
    size: int
    reached: bool
    parts: tuple[tuple[int, dict[str, float] | None], ...]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class PreparedPicture:
    """A picture that is ready to be sent.

    Attributes:
        name: the file's name without its suffix.
        key: identifies the picture and how it was prepared.
        stream: our stream.
        rivals: the rivals' files, by name.
        store: where results of states are kept.
        job: how it was prepared.
    """

    name: str
    key: str
    stream: Bitstream
    rivals: dict[str, RivalPlan]
    store: Store
    job: PictureJob
    _originals: list[NDArray[np.uint8]] = field(default_factory=list)

    @property
    def original(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB at canvas size; loaded at first use."""
        if not self._originals:
            self._originals.append(_original(self.job.image, self.stream))
        return self._originals[0]

    def frames(self, held: Iterable[int]) -> list[dict[str, Any]]:
        """Return the frames that sections show: the first and the last of a rendering, or none.

        Args:
            held: indices of the sections that arrived.

        Returns:
            For each frame: "key" names its picture, "figures" has its quality, "seconds" the time that rendering took
            on the machine that drew it.
        """
        indices = usable(self.stream, held)
        name = "states/" + (".".join(map(str, indices)) or "none")
        found: list[dict[str, Any]] = self.store.get_or_compute(name, lambda: self._draw(name, indices))
        return found

    def _draw(self, name: str, indices: tuple[int, ...]) -> list[dict[str, Any]]:
        frames = []
        for place, drawn in enumerate(draw(self.stream, indices, self.job.model)):
            key = f"{name}-{place}"
            self.store.put_picture(key, Image.fromarray(drawn.pixels))
            figures = asdict(compare(drawn.pixels, self.original))
            frames.append({"key": key, "figures": figures, "seconds": round(drawn.seconds, 4)})
        return frames


def _original(image: Path, stream: Bitstream) -> NDArray[np.uint8]:
    return np.asarray(fit_to_canvas(load_picture(image).image, stream.header.canvas), np.uint8)


def picture_key(job: PictureJob) -> str:
    """Return a name that changes with the picture and with everything that its preparation depends on.

    Raises:
        StorageError: the picture cannot be read.
    """
    try:
        data = job.image.read_bytes()
        beside = [path.read_bytes() for path in sorted(job.image.parent.glob(f"{job.image.stem}.txt"))]
    except OSError as error:
        raise StorageError.of(error, job.image) from error
    facts = {**asdict(job), "image": job.image.name, "measures": job.measures.figure}
    text = json.dumps([facts, version("layercast"), PICTURES_VERSION], sort_keys=True, default=str)
    return hashlib.sha256(b"".join([data, *beside, text.encode()])).hexdigest()[:16]


def prepare(job: PictureJob, folder: Path) -> str:
    """Prepare a picture, unless the folder has it; return its key.

    Args:
        job: what to prepare.
        folder: of all prepared pictures.

    Raises:
        LayercastError: the picture cannot be read, the budget is too small, or a library or model is missing.
    """
    key = picture_key(job)
    store = Store(folder / key)
    if store.get("prepared") is not None:
        return key
    stream = encode_picture(job.image, EncodeOptions(model=_model_name(job), budget=job.budget, order=job.order)).stream
    store.put_bytes("stream.lcast", stream.to_bytes())
    picture = PreparedPicture(name=job.image.stem, key=key, stream=stream, rivals={}, store=store, job=job)
    store.put_picture("original", Image.fromarray(picture.original))
    held: list[int] = []
    outgoing = prioritize(stream.sections, job.order)
    order = sorted(range(len(outgoing)), key=lambda index: outgoing[index].urgency)
    last: list[dict[str, Any]] = []
    for index in order:
        held.append(index)
        last = picture.frames(held)
    final = Quality(**last[-1]["figures"])
    size = len(stream.to_bytes())
    plans = {}
    for name in job.rivals.formats:
        for how in job.rivals.sizes:
            plans[f"{name}@{how}"] = _prepare_rival(picture, name, how, size, final)
    store.put("prepared", {"rivals": plans, "name": job.image.stem, "bytes": size})
    return key


def _model_name(job: PictureJob) -> str:
    return "mini" if job.model == "none" else job.model


def _prepare_rival(picture: PreparedPicture, name: str, how: str, size: int, final: Quality) -> dict[str, Any]:
    rival, figure = rival_formats()[name], picture.job.measures.figure
    if how == "bytes":
        file = file_of_size(picture.original, size, rival.codec, figure)
    else:
        file = file_as_good(picture.original, final, rival.codec, figure)
    starts = part_sizes(len(file.data)) if rival.decode_start is not None else []
    parts: list[tuple[int, dict[str, float]]] = []
    for count in [*starts, len(file.data)]:
        if count == len(file.data):
            drawn = np.asarray(rival.codec.decode(file.data), np.uint8)
        else:
            assert rival.decode_start is not None
            started = rival.decode_start(file.data[:count])
            if started is None:
                continue
            drawn = started
        pixels = scaled_up(drawn, picture.original)
        picture.store.put_picture(f"rivals/{name}@{how}-{count}", Image.fromarray(pixels))
        parts.append((count, asdict(compare(pixels, picture.original))))
    return {"size": len(file.data), "scale": file.scale, "reached": file.reached, "parts": parts}


@lru_cache(maxsize=256)
def load_prepared(job: PictureJob, key: str, folder: Path) -> PreparedPicture:
    """Load a prepared picture.

    Raises:
        StorageError: it is missing or damaged.
    """
    store = Store(folder / key)
    facts = store.get("prepared")
    if facts is None:
        raise StorageError(f"{folder / key} has no prepared picture; start the simulation again", path=folder / key)
    plans = {
        name: RivalPlan(
            name=name,
            size=plan["size"],
            reached=plan["reached"],
            parts=tuple((count, figures) for count, figures in plan["parts"]),
        )
        for name, plan in facts["rivals"].items()
    }
    stream = Bitstream.from_bytes(store.get_bytes("stream.lcast"))
    return PreparedPicture(name=facts["name"], key=key, stream=stream, rivals=plans, store=store, job=job)
