"""Background tasks with an owner: none outlives it, and none fails in silence.

`asyncio.create_task` is called nowhere else in the packages. A task that fails is logged and ends its owner, as in
`asyncio.TaskGroup`; a callback of the application that fails is logged, and the caller goes on.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

_T = TypeVar("_T")
_Event = TypeVar("_Event")

_log = logging.getLogger(__name__)


class BackgroundTasks:
    """The background tasks of one owner. Use it as `async with`, in the task that the owner lives in.

    Leaving the block cancels the tasks and waits for them. If one fails, the error is logged, `on_failure` is called,
    the other tasks and the block itself are cancelled, and leaving the block raises the error.

    Args:
        owner: what the tasks work for, for the log.
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
            coroutine: what to run.
            name: of the task, for logs and tracebacks: a noun phrase, such as "session expiry".
        """
        task = self._group.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._note_end)
        return task

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        _log.error("%s: the task '%s' failed", self._owner, task.get_name(), exc_info=error)
        if self.failure is None and isinstance(error, Exception):
            self.failure = error
            if self._on_failure:
                self._on_failure(error)


def start_task(coroutine: Coroutine[Any, Any, _T], *, name: str) -> asyncio.Task[_T]:
    """Start a task that the caller itself awaits or cancels, and whose error the caller handles.

    Args:
        coroutine: what to run.
        name: of the task, for logs and tracebacks.
    """
    return asyncio.create_task(coroutine, name=name)


async def cancel(task: "asyncio.Task[Any] | None") -> None:
    """Cancel a task and wait until it has ended. Its own errors are logged; None is nothing to do."""
    if task is None:
        return
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("the task '%s' failed", task.get_name(), exc_info=error)


def notify(callback: Callable[[_Event], object] | None, event: _Event, *, what: str) -> None:
    """Call a callback of the application; an error in it is logged with its traceback, and the caller goes on.

    Args:
        callback: the application's function; None is nothing to do.
        event: its argument.
        what: what the event is about, for the log, such as "picture 'fox'".
    """
    if callback is None:
        return
    try:
        callback(event)
    except Exception:
        _log.exception("%s: the application's callback failed", what)
