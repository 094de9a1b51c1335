"""Worker processes of a measuring command. They end with it, however it ends."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import NoReturn

from layercast_common.stopping import unfinished
from layercast_common.stopping.handlers import INTERRUPTED


@contextmanager
def worker_pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Start processes for the block; an error or Ctrl-C in it ends them at once.

    Args:
        count: how many; the processors are shared out between them.
    """
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _set_up, (count,))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    pool.shutdown()


def _set_up(count: int) -> None:
    """Use a share of the processors, and end silently with the command."""
    import cv2

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: _end())
    # A process of the pool does not notice that its parent was killed, and would stay for ever.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threads = max(1, (os.cpu_count() or 1) // count)
    cv2.setNumThreads(threads)
    os.environ["OMP_NUM_THREADS"] = str(threads)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _end()


def _end() -> NoReturn:
    unfinished.remove_all()
    os._exit(INTERRUPTED)
