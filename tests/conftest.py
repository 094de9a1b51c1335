"""What the tests of several packages share. Heavy libraries are imported where they are needed."""

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch is imported anywhere: what this package sets must not come too late.
import receiver.rendering  # noqa: F401
from layercast.logs import OURS

# An example's time is the machine's affair: Hypothesis' own limit of 200 ms is reached where others compute, too.
settings.register_profile("layercast", deadline=None)
settings.load_profile("layercast")


@pytest.fixture(scope="session", autouse=True)
def _heed_ctrl_c() -> None:
    """Heed Ctrl-C: what a shell runs in the background is started with it ignored, and children inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _keep_log_levels() -> Iterator[None]:
    """Restore the levels of our loggers: commands that ran in this process, such as with -q, set them."""
    levels = {name: logging.getLogger(name).level for name in OURS}
    yield
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model of random weights, which draws in no time."""
    import torch

    from tests.support.models import build_tiny_model

    torch.set_num_threads(1)
    return build_tiny_model(tmp_path_factory.mktemp("models") / "tiny")
