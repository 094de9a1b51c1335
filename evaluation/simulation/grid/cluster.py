"""Runs work on a Ray cluster whose nodes share the output folder."""

import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from evaluation.simulation.grid.runner import Mapper
from layercast_common.errors import ConnectError, LayercastError, MissingExtraError, RenderError

#: How long the cluster's port may take to answer, in seconds. Ray itself waits for many minutes.
_ANSWER_SECONDS = 10.0

_ADVICE = (
    "start one with 'ray start --head'; if it asks for a token, set the same RAY_AUTH_MODE and RAY_AUTH_TOKEN here "
    "as there"
)


@contextmanager
def ray_mapper(address: str) -> Iterator[Mapper]:
    """Run work on a cluster within the block; leaving it ends the work.

    Args:
        address: of the cluster, such as head:6379, ray://head:10001 or auto.

    Raises:
        MissingExtraError: Ray is not installed.
        ConnectError: the cluster cannot be reached.
        RenderError: a node cannot do the work.
    """
    try:
        import ray
        from ray.exceptions import RayError, RayTaskError
    except ImportError as error:
        raise MissingExtraError("a simulation on a cluster", "ray") from error
    _check_answer(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, ValueError, RuntimeError, RayError) as error:
        raise ConnectError(f"no Ray cluster at {address} ({_last_line(error)}); {_ADVICE}") from error

    def run(work: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
        remote = ray.remote(work)
        pending = [remote.remote(*given) for given in arguments]
        try:
            while pending:
                (done,), pending = ray.wait(pending, num_returns=1)
                yield ray.get(done)
        except RayError as error:
            cause = error.cause if isinstance(error, RayTaskError) else None
            if isinstance(cause, LayercastError):
                raise cause from None
            what = cause or error
            raise RenderError(
                f"a node of the Ray cluster failed ({_last_line(what)}); every node needs this version of layercast "
                "and the output folder under the same path; start again to go on"
            ) from error

    try:
        yield run
    finally:
        ray.shutdown()


def _check_answer(address: str) -> None:
    """Check that something listens at HOST:PORT or ray://HOST:PORT; other addresses are Ray's to find."""
    place = urlsplit(address if "://" in address else f"//{address}")
    if place.hostname is None or ":" not in place.netloc:
        return
    try:
        port = place.port or 0
        socket.create_connection((place.hostname, port), _ANSWER_SECONDS).close()
    except (OSError, ValueError) as error:
        raise ConnectError(f"no Ray cluster at {address} ({error}); {_ADVICE}") from error


def _last_line(error: BaseException) -> str:
    """Return the last line that says something of an error; Ray's have a traceback before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
