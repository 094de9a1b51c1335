"""The text that AUTOMATIC1111's stable-diffusion-webui and many others store: prompt, negative prompt, settings."""

import re
from dataclasses import dataclass

_NEGATIVE = "Negative prompt:"

#: Fewest `Key: value` pairs of a line of settings, as in AUTOMATIC1111's own parser.
_MIN_SETTINGS = 3

_SETTING = re.compile(r"(?:^|, ?)[A-Za-z][\w /-]{0,40}: ")

_FIRST_SETTING = re.compile(r"Steps: ?\d+, ")

#: Settings in the middle of a line: a carrier has replaced the ends of lines by spaces.
_IN_LINE = re.compile(r"(?<=\s)Steps: ?\d{1,6}, (?:Sampler|CFG scale|Guidance Scale|Seed|Size|Schedule type): ")


@dataclass(frozen=True, slots=True)
class Parameters:
    """The three parts of AUTOMATIC1111's parameters; each may be empty.

    Attributes:
        prompt: the positive prompt.
        negative: the negative prompt.
        settings: steps, sampler, seed and other settings, as one line.
    """

    prompt: str
    negative: str = ""
    settings: str = ""


def split_parameters(text: str) -> Parameters:
    """Split AUTOMATIC1111's `parameters` text: prompt lines, `Negative prompt:` lines, a line of settings."""
    lines = text.replace("\r\n", "\n").strip().split("\n")
    settings = ""
    # Extensions append lines after the settings, so search all lines before testing the last one.
    at = next((i for i, line in enumerate(lines) if _FIRST_SETTING.match(line)), None)
    if at is None and (found := _IN_LINE.search(text)):
        return _split_line(text[: found.start()], text[found.start() :])
    if at is None and len(_SETTING.findall(lines[-1])) >= _MIN_SETTINGS and not lines[-1].startswith(_NEGATIVE):
        at = len(lines) - 1
    if at is not None:
        settings, lines = lines[at], lines[:at]
    split = next((i for i, line in enumerate(lines) if line.strip().startswith(_NEGATIVE)), len(lines))
    negative = "\n".join(lines[split:]).strip().removeprefix(_NEGATIVE)
    return Parameters("\n".join(lines[:split]).strip(), negative.strip(), settings.strip())


def _split_line(texts: str, settings: str) -> Parameters:
    prompt, _, negative = texts.partition(_NEGATIVE)
    return Parameters(prompt.strip(), negative.strip(), settings.strip())
