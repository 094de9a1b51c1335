"""The order of layers as a policy."""

import pytest

from codec.container.sections import Coder, Section
from codec.layers import Layer
from layercast_common.errors import UsageError
from sender.connection.layer_order import ORDERS, PLANES, prioritize, urgency_of


@pytest.mark.parametrize(
    ("order", "layers"), [("paper", [0, 1, 2, 3]), ("cheapest", [0, 2, 1, 3]), ("fidelity", [0, 1, 2, 3])]
)
def test_orders(order: str, layers: list[int]) -> None:
    assert sorted(range(4), key=lambda layer: urgency_of(order, layer)) == layers
    assert len({urgency_of(order, layer) for layer in range(4)}) == 4


@pytest.mark.parametrize(("lines", "colors", "layers"), [(50, 180, [0, 1, 2, 3]), (180, 50, [0, 2, 1, 3])])
def test_the_cheapest_layer_goes_first(lines: int, colors: int, layers: list[int]) -> None:
    sections = [
        Section(Layer.SEMANTIC, Coder.TEXT, b"a"),
        Section(Layer.STRUCTURE, Coder.EDGES, bytes(lines)),
        Section(Layer.TEXTURE, Coder.PLANES, bytes(colors)),
        Section(Layer.DETAIL, Coder.PLANES, b"b"),
    ]
    assert [s.layer for s in sorted(prioritize(sections, "cheapest"), key=lambda one: one.urgency)] == layers


@pytest.mark.parametrize("order", ORDERS)
def test_unknown_layers_come_last(order: str) -> None:
    assert urgency_of(order, 200) == 7


def test_no_such_order() -> None:
    with pytest.raises(UsageError, match="there are cheapest, fidelity, paper"):
        urgency_of("alphabetical", 0)


def test_planes_go_one_after_the_other() -> None:
    planes = [Section(Layer.TEXTURE, Coder.PLANES, b"a"), Section(Layer.DETAIL, Coder.PLANES, b"b")]
    outgoing = prioritize([*planes, Section(Layer.DETAIL, 9, b"c")], "fidelity")
    assert PLANES == Coder.PLANES
    assert [(section.urgency, section.incremental) for section in outgoing] == [(3, False), (6, False), (6, True)]
