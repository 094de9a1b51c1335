"""Runs work on a Ray cluster whose nodes share the output folder."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from evaluation.simulation.grid.runner import Mapper
from layercast_common.errors import ConnectError, MissingExtraError


@contextmanager
def ray_mapper(address: str) -> Iterator[Mapper]:
    """Run work on a cluster within the block.

    Args:
        address: of the cluster, such as ray://head:10001 or auto.

    Raises:
        MissingExtraError: Ray is not installed.
        ConnectError: the cluster cannot be reached.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("a simulation on a cluster", "ray") from error
    try:
        ray.init(address=address, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise ConnectError(f"no Ray cluster at {address} ({error}); start one with 'ray start --head'") from error

    def run(work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        remote = ray.remote(work)
        pending = [remote.remote(*given) for given in arguments]
        while pending:
            (done,), pending = ray.wait(pending, num_returns=1)
            yield ray.get(done)

    try:
        yield run
    finally:
        ray.shutdown()
