from dataclasses import replace
from pathlib import Path

import pytest

from layercast import Bitstream, Coder, EdgeMap, Layer, Section, Skeleton
from layercast.reports import describe, layer_name, load_stream
from layercast_common.errors import TruncatedError


def test_the_figures_add_up(stream: Bitstream) -> None:
    facts = describe(stream, Path("x.lcast"))
    assert facts["file"] == "x.lcast"
    assert facts["bytes"] == len(stream.to_bytes())
    for parts in (facts["layers"].values(), facts["sections"]):
        assert facts["container_bytes"] + sum(part["bytes"] for part in parts) == facts["bytes"]
    assert facts["layers"]["structure"]["bytes"] == stream.size_of(Layer.STRUCTURE)
    assert facts["layers"]["structure"]["bpp"] == 8 * stream.size_of(Layer.STRUCTURE) / 128**2
    lines = stream.decode().structure
    assert isinstance(lines, EdgeMap)
    rows = len(lines.grid)
    assert (facts["structure"], facts["texture"]) == (f"edges {rows}x{rows}", "4x4")
    assert [section["coder"] for section in facts["sections"]] == ["text", "edges", "colors"]


def test_what_is_missing_or_unknown_is_told_as_such(stream: Bitstream) -> None:
    strange = replace(stream, sections=(Section(5, 9, b"from the future"),))
    facts = describe(strange)
    assert facts["file"] is facts["prompt"] is facts["structure"] is facts["texture"] is None
    assert facts["sections"] == [{"layer": "5", "coder": "9"} | facts["layers"]["5"]]
    assert facts["container_bytes"] + facts["layers"]["5"]["bytes"] == facts["bytes"]


def test_a_skeleton_is_told_as_such(stream: Bitstream) -> None:
    from codec.coders.skeleton import encode_skeleton

    person = tuple((20.0 + 5 * point, 60.0) for point in range(18))
    section = Section(Layer.STRUCTURE, Coder.SKELETON, encode_skeleton(Skeleton((person, person), (128, 128))))
    assert describe(replace(stream, sections=(section,)))["structure"] == "skeleton of 2"


def test_layers_have_names() -> None:
    assert [layer_name(layer) for layer in (*Layer, 6)] == ["semantic", "structure", "texture", "detail", "6"]


def test_a_file_cut_short_names_the_option(stream: Bitstream, tmp_path: Path) -> None:
    path = tmp_path / "x.lcast"
    path.write_bytes(stream.to_bytes()[:-10])
    with pytest.raises(TruncatedError, match=r"x\.lcast: truncated; --partial accepts the layers before the end"):
        load_stream(path, partial=False)
    assert load_stream(path, partial=True).sections[0] == stream.sections[0]
