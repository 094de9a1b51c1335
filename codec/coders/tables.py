"""Trained statistics that the coders start from: small files of integers, made by `training.tables.__main__`."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Version of the tables. The format version in the stream header changes together with it.
VERSION = 1


@cache
def load_table(name: str) -> dict[str, NDArray[Any]]:
    """Return the arrays of table `name`; each process reads it once."""
    path = files("codec") / "tables" / f"{name}-{VERSION}.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}


def load_weights(name: str, prefix: str, fields: Iterable[str]) -> list[NDArray[Any]]:
    """Return a network's weights from table `name`: the arrays named `prefix` + field, in the order of `fields`."""
    table = load_table(name)
    # The table may store matrices by columns, which slows compiled loops over rows several times.
    return [np.asarray(table[prefix + field], order="C") for field in fields]
