"""Weights in prompts, in both notations: that of web UIs, and compel's. Pure.

    (red)  ((red))      1.1 per pair of brackets        (red:1.3)    1.3
    [red]  [[red]]      divided by 1.1 per pair         (red)1.3     1.3, compel's
    backslash, bracket  a bracket that is text          (red)++  (red)--  1.1 or 0.9 per sign, compel's

Brackets may be nested: weights multiply. A bracket without its partner is text.
"""

import re
from dataclasses import dataclass, field

#: Factor of a pair of brackets.
BRACKET = 1.1

#: Deepest nesting that is read; deeper brackets are text.
MAX_DEPTH = 16

_TOKEN = re.compile(r"\\[()\[\]\\]|[()\[\]]|:\s*[+-]?\d*\.?\d+\s*(?=\))|[^\\()\[\]:]+|.", re.DOTALL)
_COMPEL = re.compile(r"\d*\.?\d+|\++|-+(?=\W|$)")
_WEIGHT = re.compile(r":\s*([+-]?\d*\.?\d+)\s*")


@dataclass(frozen=True, slots=True)
class WeightedText:
    """A piece of a prompt.

    Attributes:
        text: without weights, with backslashes before brackets that are text.
        weight: its factor.
    """

    text: str
    weight: float = 1.0


@dataclass(slots=True)
class _Group:
    opened_by: str
    pieces: list[WeightedText] = field(default_factory=list)

    def scaled(self, factor: float) -> list[WeightedText]:
        return [WeightedText(piece.text, piece.weight * factor) for piece in self.pieces]


def read_weights(prompt: str) -> list[WeightedText]:
    """Split a prompt into pieces of one weight each; neighbours of one weight are joined."""
    stack = [_Group("")]
    position = 0
    while position < len(prompt):
        token = _TOKEN.match(prompt, position)
        assert token is not None
        text, position = token[0], token.end()
        closing = {")": "(", "]": "["}.get(text)
        if text in "([" and len(stack) <= MAX_DEPTH:
            stack.append(_Group(text))
        elif closing and stack[-1].opened_by == closing:
            group = stack.pop()
            suffix = _COMPEL.match(prompt, position) if closing == "(" else None
            position = suffix.end() if suffix else position
            stack[-1].pieces += group.scaled(_factor(group, suffix[0] if suffix else ""))
        else:
            stack[-1].pieces.append(WeightedText(f"\\{text}" if text in "()[]" else text))
    while len(stack) > 1:
        group = stack.pop()
        stack[-1].pieces += [WeightedText(f"\\{group.opened_by}"), *group.pieces]
    return _join(stack[0].pieces)


def _factor(group: _Group, suffix: str) -> float:
    """Return the factor of a closed group; a weight at its end, as in "(red:1.3)", is removed from it."""
    if group.opened_by == "[":
        return 1 / BRACKET
    if suffix:
        return BRACKET ** len(suffix) if suffix[0] == "+" else 0.9 ** len(suffix) if suffix[0] == "-" else float(suffix)
    if group.pieces and (written := _WEIGHT.fullmatch(group.pieces[-1].text)):
        group.pieces.pop()
        return float(written[1])
    return BRACKET


def _join(pieces: list[WeightedText]) -> list[WeightedText]:
    joined: list[WeightedText] = []
    for piece in pieces:
        if joined and abs(joined[-1].weight - piece.weight) < 1e-9:
            joined[-1] = WeightedText(joined[-1].text + piece.text, piece.weight)
        else:
            joined.append(piece)
    return joined


def to_compel(prompt: str) -> str:
    """Return a prompt in compel's notation."""
    return "".join(_piece(part) for part in read_weights(prompt))


def _piece(part: WeightedText) -> str:
    core = part.text.strip()
    if part.weight == 1 or not core:
        return part.text
    before, after = part.text[: part.text.index(core)], part.text[part.text.index(core) + len(core) :]
    return f"{before}({core}){part.weight:.6g}{after}"


def without_weights(prompt: str) -> str:
    """Return the words of a prompt alone."""
    text = "".join(part.text for part in read_weights(prompt))
    return re.sub(r"\\([()\[\]\\])", r"\1", text)
