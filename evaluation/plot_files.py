"""Writes a plot as SVG and PNG."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layercast_common.files import save_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_plot(figure: "Figure", folder: Path, name: str, facts: str) -> list[Path]:
    """Write a figure, and return the files.

    Args:
        figure: the figure.
        folder: a folder that exists.
        name: the files' name, without a suffix.
        facts: how the figure came about, for the files' descriptions.

    Raises:
        StorageError: a file cannot be written.
    """
    options: dict[str, dict[str, Any]] = {
        "svg": {"metadata": {"Date": None, "Description": facts}},
        "png": {"metadata": {"Description": facts, "Software": None}, "dpi": 150},
    }
    paths = []
    for kind, how in options.items():
        out = io.BytesIO()
        figure.savefig(out, format=kind, **how)
        paths.append(folder / f"{name}.{kind}")
        save_whole(out.getvalue(), paths[-1])
    return paths
