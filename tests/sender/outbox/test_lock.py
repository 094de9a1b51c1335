"""The lock of an outbox."""

import errno
import os
import threading
from pathlib import Path

import pytest

from layercast_common.errors import OutboxError
from sender.outbox.lock import OutboxLock


def test_the_lock_is_exclusive_and_names_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "box"
    lock = OutboxLock(path)
    for _ in range(2):
        with pytest.raises(OutboxError, match=f"in use by process {os.getpid()}; end that process"):
            OutboxLock(path)
    lock.release()
    lock.release()
    OutboxLock(path).release()


def test_another_thread_may_release_the_lock(tmp_path: Path) -> None:
    lock = OutboxLock(tmp_path / "box")
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    OutboxLock(tmp_path / "box").release()


def test_a_lock_file_that_cannot_be_opened_is_an_outbox_error(tmp_path: Path) -> None:
    (tmp_path / "box.lock").mkdir()
    with pytest.raises(OutboxError, match="box cannot be used: Is a directory") as caught:
        OutboxLock(tmp_path / "box")
    assert (caught.value.path, caught.value.errno) == (str(tmp_path / "box"), errno.EISDIR)
    with pytest.raises(OutboxError, match="its folder does not exist"):
        OutboxLock(tmp_path / "missing" / "box")
    assert not (tmp_path / "missing").exists()
