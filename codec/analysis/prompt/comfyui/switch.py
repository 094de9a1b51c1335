"""Nodes of ComfyUI's extensions that pass on one of several inputs: which one."""

import re

from codec.analysis.prompt.comfyui.graph import Graph, natural_order

#: Words in the class of a node that passes on one of its inputs.
_KINDS = ("switch", "select", "index", "choose", "pick", "mux", "ifelse", "if else", "conditional", "branch")

#: Inputs that choose among the others.
_CHOOSERS = frozenset(
    {
        "select", "selected", "selector", "selection", "select_input", "selected_index", "index", "input", "switch",
        "number", "which", "choice", "pick", "boolean", "bool", "condition", "cond", "enabled", "use_first", "idx",
        "active", "case", "option", "selected_input",
    }
)  # fmt: skip

#: Inputs in which a node holds a number or a truth value.
_VALUES = ("value", "int", "number", "boolean", "bool", "index", "seed", "a")

#: Names of the inputs for true and for false.
_BRANCHES = {
    True: re.compile(r"(?:^|_)(?:true|tt|then|yes|on)(?:_|$)"),
    False: re.compile(r"(?:^|_)(?:false|ff|else|no|off)(?:_|$)"),
}

#: Most links from a switch to the number that sets it.
_MAX_STEPS = 8


def is_switch(kind: str) -> bool:
    """Return whether a node of this class, in lower case, passes on one of its inputs."""
    return any(word in kind for word in _KINDS) and "sampler" not in kind


def chosen_input(graph: Graph, name: str) -> str | None:
    """Return the input that a switch passes on; None if its choice is not known."""
    inputs = graph.inputs[name]
    chooser = next((key for key in inputs if key.lower() in _CHOOSERS), None)
    if chooser is None:
        return None
    choice = _literal(graph, inputs[chooser])
    options = sorted((key for key in inputs if key != chooser and _is_option(inputs[key])), key=natural_order)
    if isinstance(choice, bool):
        return _branch(options, choice=choice)
    if isinstance(choice, float) and choice.is_integer():
        choice = int(choice)
    if isinstance(choice, str):
        if not choice.isdecimal():
            return next((key for key in options if _plain(key) == _plain(choice)), None)
        choice = int(choice[:9])
    return _numbered(options, choice) if isinstance(choice, int) else None


def _is_option(value: object) -> bool:
    return isinstance(value, str | list)


def _literal(graph: Graph, value: object) -> object:
    """Return a value, or the one that a link leads to through nodes that hold a value."""
    for _ in range(_MAX_STEPS):
        target = graph.link(value)
        if target is None:
            return value
        inputs = graph.inputs[target]
        value = next((inputs[key] for key in _VALUES if key in inputs), None)
    return None


def _branch(options: list[str], *, choice: bool) -> str | None:
    named = [key for key in options if _BRANCHES[choice].search(key.lower())]
    if named:
        return named[0]
    # Without names, the first input is the one for true.
    return options[0 if choice else 1] if len(options) == 2 else None


def _numbered(options: list[str], choice: int) -> str | None:
    """Return the input with this number in its name; if the names have letters, they count from 1."""
    numbered = [key for key in options if (found := re.search(r"([0-9]{1,9})$", key)) and int(found[1]) == choice]
    if numbered:
        return numbered[0]
    at = max(choice - 1, 0)
    return options[at] if at < len(options) else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
