"""Markup in prompts that only the generator understands: networks, breaks, weights. It is cut before sending."""

import re

from codec.analysis.prompt.text_bounds import MAX_PROMPT_LENGTH, PromptSource

#: Tags: `<lora:name:0.8>`, `<lyco:...>`, `<hypernet:...>`, `<segment:face>`, `<fromto[0.5]:a,b>`.
_TAG = re.compile(r"<([A-Za-z][\w-]{0,40})(?:\[[^\]<>]{0,40}\])?:([^<>]{0,1000})>")

#: Tags that hold words of the prompt, the first of which stands for all.
_CHOICES = frozenset({"random", "alternate", "alt", "fromto", "wildcard"})

#: Words by which programs separate parts of a prompt.
_BREAK = re.compile(r"(?<![\w-])(?:BREAK|AND|ADDCOMM|ADDROW|ADDCOL|ADDBASE)(?![\w-])")

_EMBEDDING = re.compile(
    r"\(embedding:[\w./\\-]{1,200}(?::-?[\d.]{1,8})?\)|\bembedding:[\w./\\-]{1,200}(?::-?[\d.]{1,8}(?!\)))?",
    re.IGNORECASE,
)

_WEIGHT = re.compile(r"(?s)(.*):\s*[-+]?(?:\d+(?:\.\d*)?|\.\d+)\s*")
_NUMBER = re.compile(r"\s*-?(?:\d+(?:\.\d*)?|\.\d+)\s*")

#: Weights of InvokeAI: `word++`, `(some words)1.3`, and the functions that mix prompts.
_COMPEL_WEIGHT = re.compile(r"(?<=[\w)\"'])(?:\++|-+)(?=[\s,.;)]|$)|(?<=\))(?:\d+(?:\.\d+)?|\.\d+)")
_COMPEL_FUNCTION = re.compile(r"\.(?:and|blend)\([^()]{0,200}\)")

#: Weights of NovelAI: `1.3::some words::`.
_NOVELAI_WEIGHT = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?::|::")

#: Sources whose texts were written for a generator, and the brackets that are weights in them.
_BRACKETS = {
    PromptSource.AUTOMATIC1111: "([",
    PromptSource.COMFYUI: "([",
    PromptSource.SWARMUI: "([",
    PromptSource.FOOOCUS: "([",
    PromptSource.EASY_DIFFUSION: "([",
    PromptSource.DRAW_THINGS: "([",
    PromptSource.CIVITAI: "([",
    PromptSource.NOVELAI: "{[",
    PromptSource.INVOKEAI: "(",
}

_CLOSING = {"(": ")", "[": "]", "{": "}"}


def strip_markup(text: str, source: PromptSource, *, keep_weights: bool = False) -> str:
    """Return a found prompt without what only its program understands.

    Tags of networks, embeddings and BREAK go from every text. Weights go from texts that a generator wrote, unless they
    are to be kept: `(a fox:1.3)` becomes `a fox`, `[a|b]` becomes `a b`, `\\(` becomes `(`. A text without any of these
    stays as it is.

    Args:
        text: the prompt as the source has it.
        source: the program that wrote it decides which brackets are weights.
        keep_weights: leave weights as they are.
    """
    text = text[: 4 * MAX_PROMPT_LENGTH]
    cut = _TAG.sub(_words_of_tag, text)
    # A caption or a description is in plain words; there, AND and BREAK are words, unless tags prove a generator.
    if cut != text or source in _BRACKETS:
        cut = _BREAK.sub(", ", _EMBEDDING.sub("", cut))
    if not keep_weights and source in _BRACKETS:
        if source is PromptSource.NOVELAI:
            cut = _NOVELAI_WEIGHT.sub("", cut)
        elif source is PromptSource.INVOKEAI:
            cut = _COMPEL_WEIGHT.sub("", _COMPEL_FUNCTION.sub("", cut))
        cut = _drop_brackets(cut, _BRACKETS[source])
    return text if cut == text else _tidy(cut)


def _words_of_tag(tag: re.Match[str]) -> str:
    if tag[1].lower() in _CHOICES:
        return re.split(r"[|,]", tag[2])[0].strip()
    return " "


def _drop_brackets(text: str, openers: str) -> str:
    """Return the text without brackets of weights and without the weights; escaped brackets become plain ones."""
    closers = {_CLOSING[opener]: opener for opener in openers}
    out: list[str] = []
    open_at: list[tuple[str, int]] = []
    at = 0
    while at < len(text):
        character = text[at]
        if character == "\\" and text[at + 1 : at + 2] in {*"()[]{}"}:
            out.append(text[at + 1])
            at += 1
        elif character in openers:
            open_at.append((character, len(out)))
        elif character in closers and open_at and open_at[-1][0] == closers[character]:
            opener, start = open_at.pop()
            out[start:] = [_content(opener, "".join(out[start:]))]
        elif character not in closers or text[at - 1 : at] in {":", ";"}:
            out.append(character)
        at += 1
    return "".join(out)


def _content(opener: str, content: str) -> str:
    """Return the words of a bracket: `a fox:1.3` -> `a fox`; of `[from:to:when]` those of the longer part."""
    if opener == "[" and ":" in content:
        *words, when = content.split(":")
        if _NUMBER.fullmatch(when) and len(words) == 2:
            # At most half of the steps are drawn with the first words; a whole number of steps is mostly small.
            early = not 0.5 < float(when) <= 1
            return words[1] if words[1].strip() and (early or not words[0].strip()) else words[0]
    if opener == "[" and "|" in content:
        return " ".join(part.strip() for part in content.split("|"))
    weighted = _WEIGHT.fullmatch(content)
    return weighted[1] if weighted else content


def _tidy(text: str) -> str:
    """Remove what cutting leaves behind: repeated spaces and commas, commas at the ends."""
    text = re.sub(r"\s*,(?:\s*,)+\s*", ", ", text)
    text = re.sub(r"\s+([,.;])", r"\1", text)
    return re.sub(r"[^\S\n]+", " ", text).strip(" ,\n")
