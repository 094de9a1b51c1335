"""Defaults of --to, --link and --model: option, then variable, then file."""

from pathlib import Path

import pytest

from layercast.cli import build_parser
from layercast.commands.options.defaults import config_path, read_defaults, receiver_of
from layercast_common.errors import StorageError, UsageError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "layercast" / "config.toml"
    path.parent.mkdir()
    path.write_text('to = "ws://file:1"\nlink = "gsm"\n', encoding="utf-8")
    return path


def test_a_variable_comes_before_the_file_and_an_option_before_both(file: Path) -> None:
    environment = {"XDG_CONFIG_HOME": str(file.parents[1]), "LAYERCAST_LINK": "iridium", "LAYERCAST_MODEL": "sd15"}
    assert config_path(environment) == file
    defaults = read_defaults(environment)
    assert defaults == {"to": "ws://file:1", "link": "iridium", "model": "sd15"}
    parser = build_parser(defaults)
    options = parser.parse_args(["send", "photo.jpg"])
    assert (options.to, options.link, options.model) == ("ws://file:1", "iridium", "sd15")
    options = parser.parse_args(["send", "photo.jpg", "--to", "ws://here:2", "--link", "fast", "--model", "mini"])
    assert (options.to, options.link, options.model) == ("ws://here:2", "fast", "mini")
    assert parser.parse_args(["decode", "photo.lcast", "-o", "out"]).model is None
    assert parser.parse_args(["receive"]).model == "sd15"


def test_without_file_and_variables_nothing_changes(tmp_path: Path) -> None:
    assert read_defaults({"XDG_CONFIG_HOME": str(tmp_path)}) == {}
    assert build_parser({}).parse_args(["demo"]).link == "iridium"
    with pytest.raises(UsageError, match="LAYERCAST_TO"):
        receiver_of(None)


@pytest.mark.parametrize("text", ["to = 1", "speed = 'fast'", "to", "\x00", "[to]\na = 'b'", "# " + 70000 * "x"])
def test_a_bad_file_is_named(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"config\.toml"):
        read_defaults({"LAYERCAST_CONFIG": str(file)})


def test_a_missing_file_that_is_named_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere"):
        read_defaults({"LAYERCAST_CONFIG": str(tmp_path / "nowhere.toml")})
