"""What is read from the text of an argument."""

import pytest

from layercast.commands.options.values import byte_count
from layercast_common.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("all", None),
        ("500MB", 500_000_000),
        ("1.5 GB", 1_500_000_000),
        ("2TB", 2 * 10**12),
        ("1MiB", 2**20),
        ("10GiB", 10 * 2**30),
    ],
)
def test_sizes(text: str, size: int | None) -> None:
    assert byte_count(text) == size


@pytest.mark.parametrize("text", ["", "10", "10 bytes", "10kB", "GB", "0GB", "-1GB", "1e3GB", "1,5GB", "10gb", "nanGB"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="such as 500MB, or all"):
        byte_count(text)
