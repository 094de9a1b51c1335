import pytest

from layercast_common.errors import UsageError
from receiver.rendering.cluster.options import ClusterOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replicas": 0}, "at least one replica, not 0"),
        ({"capacity": 0}, "at least one picture, not 0"),
        ({"cpus": -1.0}, "not -1 and 0"),
        ({"gpus": -0.5}, "not 1 and -0.5"),
    ],
)
def test_numbers_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ClusterOptions(**options)  # type: ignore[arg-type]
