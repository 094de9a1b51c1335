"""The trained statistics that the coders start from: small files of integers, made by `training.tables.__main__`."""

from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Version of the tables. Streams name the format's version, which changes whenever this does.
VERSION = 1


@cache
def load_table(name: str) -> dict[str, NDArray[Any]]:
    """The arrays of table `name`, read once a process."""
    path = files("codec") / "tables" / f"{name}-{VERSION}.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}


def load_weights(name: str, prefix: str, fields: Iterable[str]) -> list[NDArray[Any]]:
    """A network's weights from table `name`, where each of the fields stands after `prefix`."""
    table = load_table(name)
    # Matrices may be stored by columns, which compiled loops over rows would go through several times as slowly.
    return [np.asarray(table[prefix + field], order="C") for field in fields]
