"""Extract a generator's prompt from the metadata of its picture.

Formats: AUTOMATIC1111's stable-diffusion-webui and compatible programs (`parameters`), ComfyUI (`prompt`), InvokeAI
(`invokeai_metadata`, `sd-metadata`, `Dream`), NovelAI (`Comment`, `Description`), Fooocus and SwarmUI (JSON in
`parameters`). JPEG and WebP have the same texts in EXIF's UserComment.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from codec.analysis.prompt.comfyui import read_graph
from codec.analysis.prompt.text_bounds import FoundPrompt, PromptSource, clean_text, parse_json
from codec.image_metadata import Metadata

_NEGATIVE = "Negative prompt:"

#: Fewest `Key: value` pairs of a line of settings, as in AUTOMATIC1111's own parser.
_MIN_SETTINGS = 3

_SETTING = re.compile(r"(?:^|, ?)[A-Za-z][\w /-]{0,40}: ")

#: Beginning of a JSON object, whole or broken. A brace alone may also begin a prompt with alternatives.
_JSON_OBJECT = re.compile(r'\s*\{\s*["}]')


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
    at = next((i for i, line in enumerate(lines) if re.match(r"Steps: ?\d+, ", line)), None)
    if at is None and len(_SETTING.findall(lines[-1])) >= _MIN_SETTINGS and not lines[-1].startswith(_NEGATIVE):
        at = len(lines) - 1
    if at is not None:
        settings, lines = lines[at], lines[:at]
    split = next((i for i, line in enumerate(lines) if line.strip().startswith(_NEGATIVE)), len(lines))
    negative = "\n".join(lines[split:]).strip().removeprefix(_NEGATIVE)
    return Parameters("\n".join(lines[:split]).strip(), negative.strip(), settings.strip())


def read_prompt(metadata: Metadata) -> FoundPrompt | None:
    """Return the prompt that a generator stored in its picture, or None. No metadata makes this raise."""
    for source, read in _READERS:
        text = clean_text(read(metadata) or "")
        if text:
            return FoundPrompt(text, source)
    return None


def _read_fooocus(metadata: Metadata) -> str | None:
    for text in (metadata.texts.get("parameters", ""), metadata.user_comment):
        fields = _fields(text)
        if prompt := _text(fields.get("prompt")) or _text(fields.get("Prompt")):
            return prompt
    return None


def _read_swarmui(metadata: Metadata) -> str | None:
    for text in (metadata.texts.get("parameters", ""), metadata.user_comment):
        image = _fields(text).get("sui_image_params")
        if isinstance(image, dict) and (prompt := _text(image.get("prompt"))):
            return prompt
    return None


def _read_automatic1111(metadata: Metadata) -> str | None:
    text = metadata.texts.get("parameters", "")
    if text and not _JSON_OBJECT.match(text):
        return split_parameters(text).prompt
    # Cameras and phones write comments too ("Screenshot"); only settings prove a generator.
    parts = split_parameters(metadata.user_comment)
    return parts.prompt if parts.settings else None


def _read_comfyui(metadata: Metadata) -> str | None:
    graphs = [parse_json(metadata.texts.get("prompt", "")), _fields(metadata.user_comment).get("prompt")]
    # In WebP pictures of ComfyUI, one of the EXIF texts is the chunk's name followed by the graph.
    graphs += [
        parse_json(text.removeprefix("prompt:"))
        for name, text in metadata.texts.items()
        if name.startswith("exif:") and text.startswith("prompt:")
    ]
    return next((prompt for graph in graphs if (prompt := read_graph(graph))), None)


def _read_invokeai(metadata: Metadata) -> str | None:
    fields = _fields(metadata.texts.get("invokeai_metadata", ""))
    if prompt := _text(fields.get("positive_prompt")):
        return prompt
    image = _fields(metadata.texts.get("sd-metadata", "")).get("image")
    prompts = image.get("prompt") if isinstance(image, dict) else None
    if isinstance(prompts, list):
        parts = [_text(part.get("prompt")) if isinstance(part, dict) else _text(part) for part in prompts]
        prompts = " ".join(part for part in parts if part)
    if prompt := _text(prompts):
        return prompt
    # `Dream` is a command line: the prompt in quotes, then options.
    dream = metadata.texts.get("Dream", "").strip()
    if quoted := re.match(r'"((?:[^"\\]|\\.)*)"', dream):
        return re.sub(r'\\(["\\])', r"\1", quoted[1])
    return re.split(r"\s-{1,2}[A-Za-z]", dream, maxsplit=1)[0]


def _read_novelai(metadata: Metadata) -> str | None:
    fields = _fields(metadata.texts.get("Comment", ""))
    caption = fields.get("v4_prompt")
    caption = caption.get("caption") if isinstance(caption, dict) else None
    described = metadata.texts.get("Description") if metadata.texts.get("Software") == "NovelAI" else None
    base = caption.get("base_caption") if isinstance(caption, dict) else None
    return _text(fields.get("prompt")) or _text(base) or described


#: Readers in order: programs that write JSON into another program's field first, exact texts before graphs.
_READERS: tuple[tuple[PromptSource, Callable[[Metadata], str | None]], ...] = (
    (PromptSource.SWARMUI, _read_swarmui),
    (PromptSource.FOOOCUS, _read_fooocus),
    (PromptSource.AUTOMATIC1111, _read_automatic1111),
    (PromptSource.COMFYUI, _read_comfyui),
    (PromptSource.INVOKEAI, _read_invokeai),
    (PromptSource.NOVELAI, _read_novelai),
)


def _fields(text: str) -> dict[str, object]:
    """Return the fields of a JSON object; none for any other text."""
    parsed = parse_json(text) if text.lstrip()[:1] == "{" else None
    return parsed if isinstance(parsed, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) and value.strip() else ""
