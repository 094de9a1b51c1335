"""The figures of quality that need no weights: their names, units and directions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from layercast_common.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of quality.

    Attributes:
        name: its key in results and options.
        label: its name for people.
        unit: its unit; empty if it has none.
        less_is_better: whether a smaller value is a better picture.
        digits: decimals to show.
    """

    name: str
    label: str
    unit: str = ""
    less_is_better: bool = False
    digits: int = 3

    def best(self, values: Sequence[float]) -> int:
        """Return the index of the best of at least one value; NaN is never the best of several."""
        sign = 1 if self.less_is_better else -1
        return min(range(len(values)), key=lambda index: (values[index] != values[index], sign * values[index]))

    def is_better(self, value: float, other: float) -> bool:
        """Whether a value is better than another."""
        return value < other if self.less_is_better else value > other


#: The figures by name, in the order of tables.
FIGURES: Mapping[str, Figure] = {
    figure.name: figure
    for figure in (
        Figure(name="psnr", label="PSNR", unit="dB", digits=2),
        Figure(name="ssim", label="SSIM"),
        Figure(name="ms_ssim", label="MS-SSIM"),
        Figure(name="ms_ssim_rgb", label="MS-SSIM of RGB"),
        Figure(name="gmsd", label="GMSD", less_is_better=True),
        Figure(name="ciede2000", label="CIEDE2000 of cells", less_is_better=True, digits=2),
        Figure(name="edge_f1", label="edge F1"),
        Figure(name="ssimulacra2", label="SSIMULACRA2", digits=1),
    )
}


def parse_figures(text: str) -> tuple[str, ...]:
    """Parse names such as "psnr,ssim"; "all" names every figure.

    Raises:
        UsageError: no figure has that name.
    """
    names = tuple(dict.fromkeys(name.strip().lower().replace("-", "_") for name in text.split(",") if name.strip()))
    if names == ("all",):
        return tuple(FIGURES)
    if not names or not set(names) <= set(FIGURES):
        raise UsageError(f"figures are {', '.join(FIGURES)}, or all; not {text!r}")
    return names
