"""The lock of an outbox or archive."""

import errno
import os
import threading
from pathlib import Path

import pytest

from layercast_common.errors import ArchiveError, OutboxError
from layercast_common.process_lock import ProcessLock


def lock_of(path: Path) -> ProcessLock:
    return ProcessLock(path.with_name(f"{path.name}.lock"), path, OutboxError)


def test_the_lock_is_exclusive_and_names_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "box"
    lock = lock_of(path)
    for _ in range(2):
        with pytest.raises(OutboxError, match=f"in use by process {os.getpid()}; end that process"):
            lock_of(path)
    lock.release()
    lock.release()
    lock_of(path).release()


def test_another_thread_may_release_the_lock(tmp_path: Path) -> None:
    lock = lock_of(tmp_path / "box")
    thread = threading.Thread(target=lock.release)
    thread.start()
    thread.join()
    lock_of(tmp_path / "box").release()


def test_a_lock_file_that_cannot_be_opened_is_an_outbox_error(tmp_path: Path) -> None:
    (tmp_path / "box.lock").mkdir()
    with pytest.raises(OutboxError, match="box cannot be used: Is a directory") as caught:
        lock_of(tmp_path / "box")
    assert (caught.value.path, caught.value.errno) == (str(tmp_path / "box"), errno.EISDIR)
    with pytest.raises(OutboxError, match="its folder does not exist"):
        lock_of(tmp_path / "missing" / "box")
    assert not (tmp_path / "missing").exists()


def test_a_folder_is_locked_by_a_file_in_it(tmp_path: Path) -> None:
    lock = ProcessLock(tmp_path / ".lock", tmp_path, ArchiveError)
    with pytest.raises(ArchiveError, match=f"in use by process {os.getpid()}; .* use another folder"):
        ProcessLock(tmp_path / ".lock", tmp_path, ArchiveError)
    lock.release()
