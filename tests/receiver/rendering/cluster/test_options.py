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


@pytest.mark.parametrize(
    ("replicas", "wanted", "available", "device", "expected"),
    [
        (2, None, 2.0, "auto", 1.0),
        (2, None, 8.0, "cuda", 1.0),
        (2, None, 1.0, "auto", 0.5),
        # Shares of 0.75 would leave the fourth replica without a place.
        (4, None, 3.0, "auto", 0.5),
        (3, None, 1.0, "cuda:0", 1 / 3),
        (2, None, 0.0, "auto", 0.0),
        (2, None, 4.0, "cpu", 0.0),
        (2, 0.0, 4.0, "auto", 0.0),
        (4, 0.5, 2.0, "auto", 0.5),
        (2, 2.0, 4.0, "auto", 2.0),
    ],
)
def test_replicas_get_the_gpus_of_the_cluster(
    replicas: int, wanted: float | None, available: float, device: str, expected: float
) -> None:
    assert ClusterOptions(replicas=replicas, gpus=wanted).choose_gpus(available, device) == expected


@pytest.mark.parametrize(
    ("replicas", "wanted", "available", "device", "message"),
    [
        (2, 1.0, 1.0, "auto", "need more than the cluster's 1"),
        (4, 0.75, 3.0, "auto", "need more than"),
        (2, 2.0, 3.0, "cuda", "need more than"),
        (2, None, 0.0, "cuda", "no GPU for --device cuda"),
        (2, None, 2.0, "cuda:1", "use --device cuda, not cuda:1"),
    ],
)
def test_impossible_shares_are_refused(
    replicas: int, wanted: float | None, available: float, device: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        ClusterOptions(replicas=replicas, gpus=wanted).choose_gpus(available, device)
