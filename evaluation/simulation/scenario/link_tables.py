"""Links in scenario files: a named profile, and values in netem's words that replace its own.

[links.valley]
profile = "gsm"
loss = 0.02                                    # or gemodel = {p, r, bad_loss, good_loss}, or state = {p13, ...}
jitter = 0.05
slot = {min = 0.1, max = 0.2, packets = 1}
back = {rate = 2400}                           # the other direction
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from evaluation.simulation.links.loss import FourState, GilbertElliott, RandomLoss
from evaluation.simulation.links.model import LinkCost, LinkDirection, SimulatedLink
from evaluation.simulation.links.profiles import named_link
from evaluation.simulation.links.service import Opportunities, Slots, Windows
from evaluation.simulation.links.traces import load_trace
from layercast_common.errors import UsageError

#: Keys with plain numbers, words or switches; each is a field of `LinkDirection`.
_PLAIN = {
    **dict.fromkeys(
        ("rate", "delay", "jitter", "jitter_correlation", "duplicate", "reorder", "corrupt", "duty_cycle"), float
    ),
    **dict.fromkeys(("limit", "limit_bytes", "overhead", "burst"), int),
    "distribution": str,
    "ordered": bool,
}

#: The loss models; a direction has one of them.
_LOSSES = ("loss", "gemodel", "state")

_DIRECTION_KEYS = (*_PLAIN, *_LOSSES, "windows", "outages", "slot", "trace")
_LINK_KEYS = ("profile", "mtu", "cost", "back", *_DIRECTION_KEYS)


def link_of(name: str, table: Mapping[str, Any], base: Path) -> SimulatedLink:
    """Build a link.

    Args:
        name: the link's name.
        table: its table.
        base: the folder that trace files are relative to.

    Raises:
        UsageError: a key or value is wrong.
        StorageError: a trace cannot be read.
    """
    where = f"[links.{name}]"
    _check(where, table, _LINK_KEYS)
    start = named_link(str(table["profile"])) if "profile" in table else None
    there = start.there if start else LinkDirection()
    shared = {key: value for key, value in table.items() if key in _DIRECTION_KEYS}
    back = table.get("back", {})
    if not isinstance(back, Mapping):
        raise UsageError(f"{where}: back is a table")
    _check(f"{where} back", back, _DIRECTION_KEYS)
    try:
        return SimulatedLink(
            name=name,
            there=_direction(there, shared, base),
            back=_direction(start.back if start else there, _joined(shared, back), base),
            mtu=_number("mtu", int, table.get("mtu", start.mtu if start else 1400)),
            cost=_group(LinkCost, "cost", table["cost"]) if "cost" in table else start.cost if start else LinkCost(),
        )
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _joined(shared: Mapping[str, Any], back: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the way back: its own, and those of both directions; one loss model replaces another."""
    replaced = _LOSSES if any(key in back for key in _LOSSES) else ()
    return {**{key: value for key, value in shared.items() if key not in replaced}, **back}


def _direction(start: LinkDirection, table: Mapping[str, Any], base: Path) -> LinkDirection:
    values: dict[str, Any] = {key: _number(key, _PLAIN[key], value) for key, value in table.items() if key in _PLAIN}
    losses: dict[str, Callable[[Any], Any]] = {
        "loss": lambda value: RandomLoss(share=_number("loss", float, value)),
        "gemodel": lambda value: _group(GilbertElliott, "gemodel", value),
        "state": lambda value: _group(FourState, "state", value),
    }
    chosen = [key for key in losses if key in table]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} contradict each other; give one of them")
    for key in chosen:
        values["loss"] = losses[key](table[key])
    if "windows" in table:
        values["windows"] = _group(Windows, "windows", table["windows"])
    if "outages" in table:
        try:
            values["outages"] = tuple((float(first), float(last)) for first, last in table["outages"])
        except (TypeError, ValueError) as error:
            raise UsageError("outages are [[start, end], ...] in seconds") from error
    if "slot" in table:
        names = {"min": "shortest", "max": "longest", "packets": "packets", "bytes": "size"}
        _check("slot", table["slot"], tuple(names))
        values["slots"] = _group(Slots, "slot", {names[key]: value for key, value in table["slot"].items()})
    if "trace" in table:
        trace = load_trace(base / str(table["trace"]))
        is_mahimahi = isinstance(trace, Opportunities)
        values |= {
            "opportunities" if is_mahimahi else "trace": trace,
            "trace" if is_mahimahi else "opportunities": None,
        }
    return replace(start, **values)


def _check(where: str, table: Any, known: tuple[str, ...]) -> None:
    if not isinstance(table, Mapping):
        raise UsageError(f"{where} is a table")
    for key in table:
        if key not in known:
            raise UsageError(f"{where} has no key '{key}'; there are {', '.join(known)}")


def _group(kind: Callable[..., Any], key: str, table: Any) -> Any:
    _check(key, table, tuple(field.name for field in fields(kind)))  # type: ignore[arg-type]
    types = {field.name: int if field.type in (int, "int") else float for field in fields(kind)}  # type: ignore[arg-type]
    try:
        return kind(**{name: _number(f"{key}.{name}", types[name], value) for name, value in table.items()})
    except TypeError as error:
        needed = [field.name for field in fields(kind) if field.name not in table]  # type: ignore[arg-type]
        raise UsageError(f"{key} needs {', '.join(needed)}") from error


def _number(key: str, kind: type, value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if (kind is float and is_number) or (kind in (int, str, bool) and type(value) is kind):
        return kind(value)
    raise UsageError(f"{key} is a {kind.__name__}, not {value!r}")
