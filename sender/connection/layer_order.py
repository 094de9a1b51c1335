"""In which order the layers of a picture travel: a policy of the sender, told to the link as urgencies."""

from layercast_common.errors import UsageError

#: Urgencies (0 first, 7 last, RFC 9218) of the layers semantic 0, structure 1, texture 2 and detail 3. `paper` is the
#: order of arXiv 2412.12982; `cheapest` sends the layer with the fewest bytes first.
ORDERS = {
    "paper": (0, 2, 3, 6),
    "cheapest": (0, 3, 2, 6),
}

#: The urgency of a layer that has no place in an order.
OTHER_LAYERS = 7

#: The layers whose sections are of use by any prefix, and so share the link with others of their urgency.
INCREMENTAL_LAYERS = frozenset({3})


def urgency_of(order: str, layer: int) -> int:
    """How urgent a layer is.

    Args:
        order: a name of `ORDERS`.
        layer: the layer's number.

    Raises:
        UsageError: there is no such order.
    """
    if order not in ORDERS:
        raise UsageError(f"no order of layers is called '{order}'; there are {', '.join(sorted(ORDERS))}")
    urgencies = ORDERS[order]
    return urgencies[layer] if layer < len(urgencies) else OTHER_LAYERS
