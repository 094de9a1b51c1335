"""Supervised background tasks: each has an owner, and none fails silently.

No other module calls `asyncio.create_task`. A failing task is logged and ends its owner, as in `asyncio.TaskGroup`. A
failing callback of the application is logged, and the caller continues.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

_T = TypeVar("_T")
_Event = TypeVar("_Event")

_log = logging.getLogger(__name__)


class BackgroundTasks:
    """The background tasks of one owner. Use it as `async with`, in the task that runs the owner.

    Leaving the block cancels the tasks and waits for them. If one fails, the error is logged, `on_failure` is called,
    the other tasks and the block itself are cancelled, and leaving the block raises the error.

    Args:
        owner: the owner's name, for the log.
        on_failure: called once, with the first error.
    """

    def __init__(self, owner: str, on_failure: Callable[[Exception], None] | None = None) -> None:
        self._owner = owner
        self._on_failure = on_failure
        self._group = asyncio.TaskGroup()
        self._tasks: set[asyncio.Task[Any]] = set()
        #: The first error of a task, or None.
        self.failure: Exception | None = None

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        cancelled = isinstance(error, asyncio.CancelledError)
        try:
            # Other errors of the block stay as they are: a TaskGroup would wrap them in an ExceptionGroup.
            await self._group.__aexit__(kind if cancelled else None, error if cancelled else None, trace)
        except BaseExceptionGroup:
            if error is None or cancelled:
                if self.failure is not None:
                    raise self.failure from None
                raise

    def start(self, coroutine: Coroutine[Any, Any, _T], *, name: str) -> asyncio.Task[_T]:
        """Run a coroutine until it ends or the block is left.

        Args:
            coroutine: the task's work.
            name: the task's name for logs and tracebacks: a noun phrase, such as "session expiry".
        """
        task = self._group.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._record_end)
        return task

    def _record_end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        _log.error("%s: the task '%s' failed", self._owner, task.get_name(), exc_info=error)
        if self.failure is None and isinstance(error, Exception):
            self.failure = error
            if self._on_failure:
                self._on_failure(error)


def start_task(coroutine: Coroutine[Any, Any, _T], *, name: str) -> asyncio.Task[_T]:
    """Start a task whose caller awaits or cancels it and handles its error.

    Args:
        coroutine: the task's work.
        name: the task's name for logs and tracebacks: a noun phrase.
    """
    return asyncio.create_task(coroutine, name=name)


async def cancel(task: "asyncio.Task[Any] | None") -> None:
    """Cancel a task and wait until it has ended. Errors of the task are logged; None is ignored."""
    if task is None:
        return
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("the task '%s' failed", task.get_name(), exc_info=error)


#: Names of threads that the end of the program does not wait for start with this.
ABANDONABLE = "layercast-"


async def run_abandonable(work: Callable[[], _T], *, name: str, discard: Callable[[_T], object] | None = None) -> _T:
    """Run slow work that nothing can interrupt, such as loading a model, in a daemon thread.

    Unlike the threads of `asyncio.to_thread`, this one delays neither a cancelled caller nor the end of the program.

    Args:
        work: the work.
        name: the thread's name: a noun phrase.
        discard: called, in the thread, with the result that a cancelled caller does not take; it must be thread-safe.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()
    abandoned = threading.Event()

    def settle(set_outcome: Callable[[Any], None], outcome: object) -> None:
        def settle_in_loop() -> None:
            if not future.done():
                set_outcome(outcome)

        call_in_loop(loop, settle_in_loop)

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            settle(future.set_exception, error)
            return
        if abandoned.is_set() and discard is not None:
            discard(result)
        settle(future.set_result, result)

    threading.Thread(target=run, name=f"{ABANDONABLE}{name}", daemon=True).start()
    try:
        return await future
    except asyncio.CancelledError:
        abandoned.set()
        raise


def call_in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Call a function in an event loop, from another thread; do nothing if the loop is closed already."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call)


def abandoned_threads() -> list[threading.Thread]:
    """Return the threads still running that the end of the program does not wait for."""
    return [one for one in threading.enumerate() if one.daemon and one.name.startswith(ABANDONABLE)]


def notify(callback: Callable[[_Event], object] | None, event: _Event, *, what: str) -> None:
    """Call a callback of the application. If it raises, log the error with its traceback and continue.

    Args:
        callback: the application's function; None is ignored.
        event: its argument.
        what: the subject of the event for the log, such as "picture 'fox'".
    """
    if callback is None:
        return
    try:
        callback(event)
    except Exception:
        _log.exception("%s: the application's callback failed", what)


async def repeat(action: Callable[[], None], seconds: float) -> None:
    """Call a function at regular intervals, for the first time after one interval, until cancelled."""
    while True:
        await asyncio.sleep(seconds)
        action()
