"""Texts of the text coder's table: prompts, names and styles."""

import json
from pathlib import Path

from training.data.tiles import TABLES_HELD_OUT_PERCENT, is_held_out, read_tiles


def read_prompts(path: Path) -> list[str]:
    """Return the prompts of a file, one per line."""
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def read_names(path: Path) -> list[str]:
    """Return names of things: those in a JSON list of objects, or the lines of a text file."""
    if path.suffix == ".json":
        return sorted({str(row["name"]) for row in json.loads(path.read_text(encoding="utf-8"))})
    return read_prompts(path)


def is_held_out_prompt(prompt: str) -> bool:
    """Return whether a prompt is held out of the tables."""
    return is_held_out(prompt, TABLES_HELD_OUT_PERCENT)


def style_texts(data: Path) -> list[str]:
    """Return the styles and categories of the data set's pictures, in the form of prompts."""
    tiles = [tile for tile in read_tiles(data) if not tile.held_out_of_tables]
    styles = {tile.style for tile in tiles}
    return sorted(styles | {", ".join(tile.categories).lower() for tile in tiles} - {""})
