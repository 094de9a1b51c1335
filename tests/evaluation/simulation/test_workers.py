"""Errors of worker processes, and the comparison with real sockets."""

import pickle

import pytest

from evaluation.simulation.grid.workers import portable
from evaluation.simulation.reality import LayerArrival, compare_way, drawn_streams
from evaluation.wire.links.interfaces import kernel_missing
from layercast_common.errors import (
    BudgetError,
    CodecError,
    EngineBusyError,
    LayercastError,
    MissingExtraError,
    PromptError,
    RenderError,
    StorageError,
)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BudgetError(5, 50, "a word"), CodecError),
        (MissingExtraError("AVIF", "bench"), LayercastError),
        (EngineBusyError(3), RenderError),
        (PromptError("no prompt"), PromptError),
        (StorageError("no file", path="x", errno=2), StorageError),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_of_workers_reach_the_command(error: LayercastError, kind: type[LayercastError]) -> None:
    received = pickle.loads(pickle.dumps(portable(error)))
    assert isinstance(received, kind)
    assert str(received) == str(error)


@pytest.mark.parametrize("kernel", [False, True], ids=["proxy", "interfaces"])
async def test_every_layer_is_compared_with_a_real_arrival(kernel: bool) -> None:
    if kernel and (reason := kernel_missing()):
        pytest.skip(reason)
    streams = drawn_streams()[:2]
    arrivals = await compare_way(["lte-m"], streams, kernel=kernel, gap=1.0)
    assert [arrival.layer for arrival in arrivals] == [int(section.layer) for section in streams[1].sections]
    assert all(arrival.real >= 0.06 and arrival.simulated >= 0.06 for arrival in arrivals)


def test_times_agree_within_the_larger_of_two_bounds() -> None:
    def arrival(simulated: float, real: float) -> LayerArrival:
        return LayerArrival(link="gsm", way="proxy", picture=1, layer=0, simulated=simulated, real=real)

    assert arrival(0.10, 0.15).agrees
    assert not arrival(0.10, 0.16).agrees
    assert arrival(9.6, 10.0).agrees
    assert not arrival(9.4, 10.0).agrees
