"""ComfyUI's workflow, as its editor saves it, -> its API format, which `search.py` reads.

Some nodes that save pictures store the workflow alone. It has the nodes as a list, with values of widgets in the order
in which the editor shows them, and the links apart: [link id, from node, from slot, to node, to slot, type].
"""

from typing import Any

from codec.analysis.prompt.comfyui.graph import MAX_NODES

#: Values that the editor adds after a seed, without a name.
_CONTROLS = frozenset({"fixed", "increment", "decrement", "randomize"})

#: Most widgets of a node that are read.
_MAX_WIDGETS = 256

#: Words in the class of a node whose first text is its text.
_TEXT_KINDS = ("cliptextencode", "primitive", "string", "text", "prompt")


def to_api(workflow: object) -> dict[str, Any]:
    """Convert a workflow; what is not one becomes a graph without nodes.

    Args:
        workflow: the parsed JSON, of any shape.
    """
    nodes = workflow.get("nodes") if isinstance(workflow, dict) else None
    links = workflow.get("links") if isinstance(workflow, dict) else None
    if not isinstance(nodes, list) or len(nodes) > MAX_NODES:
        return {}
    origins = _origins(links)
    return {
        str(node["id"]): {
            "class_type": node.get("type"),
            "mode": node.get("mode"),
            "inputs": _inputs(node, origins),
        }
        for node in nodes
        if isinstance(node, dict) and isinstance(node.get("id"), int | str)
    }


def _origins(links: object) -> dict[object, list[object]]:
    """Return the node and slot from which each link comes, by the link's id."""
    origins: dict[object, list[object]] = {}
    for link in links if isinstance(links, list) else []:
        match link:
            case [int() | str() as number, int() | str() as origin, slot, *_]:
                origins[number] = [str(origin), slot]
            case {"id": int() | str() as number, "origin_id": int() | str() as origin, "origin_slot": slot}:
                origins[number] = [str(origin), slot]
    return origins


def _inputs(node: dict[str, Any], origins: dict[object, list[object]]) -> dict[str, object]:
    slots = [slot for slot in _listed(node.get("inputs")) if isinstance(slot, dict)]
    inputs = _widgets(node, [str(slot.get("name")) for slot in slots if "widget" in slot])
    for slot in slots:
        number = slot.get("link")
        if isinstance(number, int | str) and number in origins:
            inputs[str(slot.get("name"))] = origins[number]
    return inputs


def _widgets(node: dict[str, Any], names: list[str]) -> dict[str, object]:
    values = node.get("widgets_values")
    if isinstance(values, dict):
        return {str(name): value for name, value in list(values.items())[:_MAX_WIDGETS]}
    values = [value for value in _listed(values)[:_MAX_WIDGETS] if value not in tuple(_CONTROLS)]
    if len(names) == len(values):
        return dict(zip(names, values, strict=True))
    inputs: dict[str, object] = {f"widget_{number}": value for number, value in enumerate(values)}
    first = next((name for name, value in inputs.items() if isinstance(value, str)), None)
    if first is not None and any(word in str(node.get("type")).lower() for word in _TEXT_KINDS):
        inputs["text"] = inputs.pop(first)
    return inputs


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
