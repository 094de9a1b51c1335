"""Unfinished files and scratch folders disappear."""

from pathlib import Path

import pytest

from layercast_common.stopping import unfinished
from layercast_common.stopping.unfinished import remove_all, scratch_folder


def test_an_unfinished_file_disappears_after_any_error(tmp_path: Path) -> None:
    def write() -> None:
        with unfinished.unfinished(tmp_path / "a") as path:
            path.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert not list(tmp_path.iterdir())


def test_a_finished_file_stays(tmp_path: Path) -> None:
    with unfinished.unfinished(tmp_path / "a.part") as path:
        path.write_bytes(b"whole")
        path.rename(tmp_path / "a")
    assert [one.name for one in tmp_path.iterdir()] == ["a"]


def test_all_are_removed_and_what_a_link_names_stays(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    with scratch_folder() as folder, unfinished.unfinished(tmp_path / "link") as link:
        (folder / "inside").mkdir()
        link.symlink_to(kept)
        remove_all()
        assert not folder.exists()
        assert not link.is_symlink()
    assert (kept / "file").exists()
