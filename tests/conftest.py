"""What the tests of several packages share. Heavy libraries are imported where they are needed."""

import gc
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

# Before torch is imported anywhere: what this package sets must not come too late.
import receiver.rendering  # noqa: F401
from layercast.logs import OURS
from tests.support.compiling import LOCK

# An example's time is the machine's affair: Hypothesis' own limit of 200 ms is reached where others compute, too.
settings.register_profile("layercast", deadline=None, max_examples=50)
# For a long run: pytest --hypothesis-profile thorough
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile("layercast")

# The modules that tests import hold millions of objects. They stay, so that no garbage collection need look at them.
gc.disable()

#: Each process collects all tests and imports torch, so that more of them gain little.
MOST_PROCESSES = 8


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run the whole suite in a process per core; a part of it, and tests of full-size models, in this process."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and "not slow" in config.getoption("markexpr")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MOST_PROCESSES) if whole else 0


def pytest_configure(config: pytest.Config) -> None:
    """Have one process compile the coders while the workers collect tests, so that they do not do it all at once."""
    if not getattr(config.option, "tx", None) or config.option.collectonly:
        return
    compiling = subprocess.Popen([sys.executable, "-m", "tests.support.compiling"], cwd=config.rootpath)

    def end() -> None:
        compiling.terminate()
        compiling.wait()

    config.add_cleanup(end)


def pytest_collection_finish() -> None:
    """Leave all that is loaded up to here out of garbage collections, which the engine starts when memory is full."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _wait_for_compiled_coders() -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        with FileLock(LOCK):
            pass


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
