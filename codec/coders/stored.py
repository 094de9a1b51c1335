"""The trained statistics that the coders start from: small files of integers, made by `training.tables`."""

from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

#: Version of the tables. Streams name the format's version, which changes whenever this does.
VERSION = 1


@cache
def load_table(name: str) -> dict[str, NDArray[np.generic]]:
    """The arrays of table `name`, read once a process."""
    path = files("codec") / "tables" / f"{name}-{VERSION}.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {key: stored[key] for key in stored.files}
