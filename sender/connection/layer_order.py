"""The order in which a picture's layers are sent, expressed as urgencies (RFC 9218)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from layercast_common.errors import UsageError
from protocol.sending.pictures.fragmentation import OutgoingSection

if TYPE_CHECKING:
    from codec.container.bitstream import Section

#: Urgencies (0 first, 7 last, RFC 9218) of the layers semantic 0, structure 1, texture 2 and detail 3. `paper` is the
#: order of arXiv 2412.12982; `cheapest` sends the smaller one of structure and texture first, see `prioritize`;
#: `fidelity` is the order of streams that are encoded in it.
ORDERS = {
    "paper": (0, 2, 3, 6),
    "cheapest": (0, 3, 2, 6),
    "fidelity": (0, 2, 3, 6),
}

#: The urgency of layers that an order does not name.
OTHER_LAYERS = 7

#: Layers that are useful in any prefix, so that they share the link with others of their urgency.
INCREMENTAL_LAYERS = frozenset({3})

#: The coder whose sections are one code: each decodes only after the one before it, so they do not take turns.
PLANES = 4


def urgency_of(order: str, layer: int) -> int:
    """Return the urgency of a layer, 0 to 7.

    Args:
        order: a name of `ORDERS`.
        layer: the layer's number.

    Raises:
        UsageError: no order has this name.
    """
    if order not in ORDERS:
        raise UsageError(f"no order of layers is called '{order}'; there are {', '.join(sorted(ORDERS))}")
    urgencies = ORDERS[order]
    return urgencies[layer] if layer < len(urgencies) else OTHER_LAYERS


def prioritize(sections: "Iterable[Section]", order: str) -> list[OutgoingSection]:
    """Return a stream's sections with the urgencies of an order.

    Args:
        sections: the sections, in the stream's order.
        order: a name of `ORDERS`.

    Raises:
        UsageError: no order has this name.
    """
    sections = tuple(sections)
    if order == "cheapest" and _size(sections, 1) < _size(sections, 2):
        order = "paper"
    return [
        OutgoingSection(
            layer=section.layer,
            coder=section.coder,
            payload=section.payload,
            urgency=urgency_of(order, section.layer),
            incremental=section.layer in INCREMENTAL_LAYERS and section.coder != PLANES,
        )
        for section in sections
    ]


def _size(sections: "Iterable[Section]", layer: int) -> int:
    return sum(len(section.payload) for section in sections if section.layer == layer)
