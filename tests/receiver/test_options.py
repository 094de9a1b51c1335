"""Option objects: checked when they are built, and combined with the short-cuts of `Receiver`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from layercast_common.errors import UsageError
from receiver.options import ArchiveOptions, RenderOptions, Security
from receiver.permissions import Permissions
from receiver.receiver import Receiver
from receiver.viewer import ViewerOptions


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RenderOptions(steps=0), "at least 1 step, not 0"),
        (lambda: RenderOptions(replicas=-1), "0 or more, not -1"),
        (lambda: ArchiveOptions(folder="a", keep=0), "at least 1 byte, not 0"),
        (lambda: ArchiveOptions(folder="a", keep_days=0), "not 0"),
        (lambda: Security(token="x" * 300), "token"),
        (lambda: Security(token="x", permissions=Permissions([])), "add this token to them"),
        (lambda: Security.of(Security(permissions=Permissions([])), "x"), "add this token to them"),
        (lambda: ViewerOptions(pictures=0), "at least 1 picture, not 0"),
    ],
)
def test_options_that_make_no_sense(build: Callable[[], object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build()


def test_no_token_admits_everyone() -> None:
    assert Security().access is None
    assert Security.of(None, None) == Security()
    assert "secret" not in repr(Security(token="secret"))
    access = Security.of(None, "secret").access
    assert access is not None
    assert access.grant("secret") is not None
    assert access.grant("other") is None


def test_short_cuts(tmp_path: Path) -> None:
    """`model` overrides the one in `render` unless it is the default; a folder stands for an archive with limits."""
    assert Receiver()._render == RenderOptions()
    assert Receiver(model=None)._render.model is None
    render = RenderOptions(model="sd15", steps=3)
    assert Receiver(render=render)._render == render
    assert Receiver(render=render, model="sd15-lcm")._render == RenderOptions(model="sd15-lcm", steps=3)
    assert not list(tmp_path.iterdir())
    Receiver(archive=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "removed.labels"]
