"""Figures that another program measures."""

import re
import shlex
import subprocess
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evaluation.quality.figures import FIGURES, LESS
from layercast_common.errors import LayercastError, UsageError
from layercast_common.stopping.unfinished import scratch_folder

#: Longest time that a command may take for one picture, in seconds.
LIMIT = 600.0

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


class ExtraFigure(Protocol):
    """A figure beyond those of `evaluation.quality.figures.FIGURES`. It can be sent to another process."""

    @property
    def name(self) -> str:
        """Its name; with "-" at the end if less is better."""
        ...

    def identity(self) -> str:
        """Return a text that changes whenever results may change."""
        ...

    def __call__(self, drawn: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
        """Measure a picture, given the original; both (H, W, 3) uint8 RGB."""
        ...


@dataclass(frozen=True, slots=True)
class CommandFigure:
    """A figure that a command measures.

    The command gets three more arguments, like those of libjxl's `benchmark_xl --extra_metrics`: a PNG of the original,
    a PNG of the picture, and a file to write a number into. A number on its last line of output counts as well.

    Attributes:
        name: its name; with "-" at the end if less is better.
        command: the command and its first arguments.
    """

    name: str
    command: tuple[str, ...]

    def identity(self) -> str:
        """Return the name and the command."""
        return f"{self.name} {shlex.join(self.command)}"

    def __call__(self, drawn: NDArray[np.uint8], original: NDArray[np.uint8]) -> float:
        """Measure a picture, given the original; both (H, W, 3) uint8 RGB.

        Raises:
            LayercastError: the command cannot be started, fails, takes too long, or gives no number.
        """
        with scratch_folder() as folder:
            files = [folder / name for name in ("original.png", "picture.png", "number.txt")]
            for pixels, file in zip((original, drawn), files, strict=False):
                Image.fromarray(np.ascontiguousarray(pixels)).save(file, compress_level=1)
            arguments = [*self.command, *map(str, files)]
            try:
                # The user gave the command, and it is run without a shell.
                done = subprocess.run(arguments, capture_output=True, text=True, timeout=LIMIT, check=False)  # noqa: S603
            except subprocess.TimeoutExpired as error:
                raise LayercastError(f"the metric {self.name} took over {LIMIT:.0f} s for a picture") from error
            except OSError as error:
                raise LayercastError(f"the metric {self.name} cannot be started: {error}") from error
            if done.returncode:
                last = (done.stderr.strip().splitlines() or [""])[-1]
                raise LayercastError(f"the metric {self.name} failed with exit code {done.returncode}: {last[:200]}")
            text = files[2].read_text(encoding="utf-8") if files[2].exists() else ""
            return self._parse(text.strip() or done.stdout.strip())

    def _parse(self, text: str) -> float:
        found = _NUMBER.findall((text.splitlines() or [""])[-1])
        if not found:
            raise LayercastError(
                f"the metric {self.name} gave no number: it must write one into the file that its last argument names, "
                f"or print one as its last line, not {text[-80:]!r}"
            )
        return float(found[-1])


def parse_command_figure(text: str) -> CommandFigure:
    """Parse NAME:COMMAND, such as "butteraugli-:butteraugli_main"; a name that ends in "-" has less as better.

    Raises:
        UsageError: the text has another form, or the name is that of one of our figures.
    """
    name, colon, command = text.partition(":")
    name = name.strip().lower()
    try:
        parts = tuple(shlex.split(command))
    except ValueError as error:
        raise UsageError(f"the command of the metric {name!r} cannot be read: {error}") from error
    if not colon or not parts or not re.fullmatch(rf"[a-z0-9_]+{LESS}?", name):
        raise UsageError(f"a metric is NAME:COMMAND, with letters, digits and _ in the name, not {text!r}")
    if name.removesuffix(LESS) in FIGURES:
        raise UsageError(f"the figure {name.removesuffix(LESS)} is measured by layercast itself; choose another name")
    return CommandFigure(name, parts)
