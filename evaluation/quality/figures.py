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
        short: a shorter name for tables; the label if empty.
        unit: its unit; empty if it has none.
        less_is_better: whether a smaller value is a better picture.
        digits: decimals to show.
        step: a difference of means that counts as one, for comparisons of results.
    """

    name: str
    label: str
    short: str = ""
    unit: str = ""
    less_is_better: bool = False
    digits: int = 3
    step: float = 0.005

    def best(self, values: Sequence[float]) -> int:
        """Return the index of the best of at least one value; NaN is never the best of several."""
        sign = 1 if self.less_is_better else -1
        return min(range(len(values)), key=lambda index: (values[index] != values[index], sign * values[index]))

    def is_better(self, value: float, other: float) -> bool:
        """Whether a value is better than another."""
        return value < other if self.less_is_better else value > other


#: Ends the name of a figure that is not known here and of which less is better.
LESS = "-"

#: The figures by name, in the order of tables.
FIGURES: Mapping[str, Figure] = {
    figure.name: figure
    for figure in (
        Figure(name="psnr", label="PSNR", unit="dB", digits=2, step=0.1),
        Figure(name="ssim", label="SSIM"),
        Figure(name="ms_ssim", label="MS-SSIM"),
        Figure(name="ms_ssim_rgb", label="MS-SSIM of RGB", short="MS RGB"),
        Figure(name="gmsd", label="GMSD", less_is_better=True, step=0.003),
        Figure(name="ciede2000", label="CIEDE2000 of cells", short="dE2000", less_is_better=True, digits=2, step=0.1),
        Figure(name="edge_f1", label="edge F1", short="F1", step=0.01),
        Figure(name="ssimulacra2", label="SSIMULACRA2", short="SSIMU2", digits=1, step=1.0),
    )
}


def figure_of(name: str) -> Figure:
    """Return the figure of a name; if it is not known here, one of which more is better, or less with `LESS`."""
    known = FIGURES.get(name)
    return known or Figure(name=name, label=name.removesuffix(LESS), less_is_better=name.endswith(LESS))


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
