"""Each generator's fields -> its prompt."""

import re
from collections.abc import Callable

from codec.analysis.prompt.comfyui.search import read_graph
from codec.analysis.prompt.comfyui.workflow import to_api
from codec.analysis.prompt.descriptions import read_description, read_midjourney
from codec.analysis.prompt.parameters import split_parameters
from codec.analysis.prompt.records import Record, as_object, as_text
from codec.analysis.prompt.text_bounds import PromptSource, parse_json

#: Beginning of JSON, whole or broken: an object, a list of texts or objects, or something nested deeply. Brackets alone
#: may also begin a prompt: "{a|b} fox", "[[red]] fox", "[1girl]".
_JSON_START = re.compile(r'\s*(?:\{\s*["}]|\[\s*["{]|(?:[\[{]\s*){9})')

#: Fields of Easy Diffusion's settings that no other program has.
_EASY_DIFFUSION = frozenset(
    {"num_inference_steps", "use_stable_diffusion_model", "stream_image_progress", "show_only_filtered_image"}
)

#: Fields of InvokeAI's own metadata, beside the prompt.
_INVOKEAI = frozenset({"app_version", "generation_mode", "positive_style_prompt", "cfg_rescale_multiplier"})

#: Most characters of a prompt that parts are joined to.
_MAX_JOINED = 1 << 16

#: Options of InvokeAI's early command line.
_DREAM_OPTION = re.compile(r"\s-{1,2}[A-Za-z]")
_DREAM = re.compile(r"\s-(?:s|S|W|H|C|A|g)\s?\S")


def _read_swarmui(record: Record) -> str | None:
    for holder in (record.part("parameters"), dict(record.fields)):
        if prompt := as_text(as_object(holder.get("sui_image_params")).get("prompt")):
            return prompt
    return None


def _read_civitai(record: Record) -> str | None:
    for holder in (dict(record.fields), record.part("prompt")):
        if prompt := as_text(as_object(holder.get("extraMetadata")).get("prompt")):
            return prompt
    for text in (record.get("parameters"), record.text):
        parts = split_parameters(text)
        if "Civitai resources:" in parts.settings:
            return parts.prompt
    return None


def _read_novelai(record: Record) -> str | None:
    described = record.get("Description") if record.fields.get("Software") == "NovelAI" else ""
    for fields in (record.part("Comment"), dict(record.fields) if record.parsed else {}):
        caption = as_object(as_object(fields.get("v4_prompt")).get("caption"))
        base = as_text(caption.get("base_caption"))
        if caption:
            characters = caption.get("char_captions")
            parts = [base, *map(_character, characters if isinstance(characters, list) else [])]
            if joined := ", ".join(part.strip(" ,\n") for part in parts if part)[:_MAX_JOINED]:
                return joined
        if ("uc" in fields or described) and (prompt := as_text(fields.get("prompt"))):
            return prompt
        if fields is not record.fields and not record.parsed and (prompt := as_text(fields.get("prompt"))):
            return prompt
    return described


def _character(character: object) -> str:
    return as_text(character.get("char_caption")) if isinstance(character, dict) else ""


def _read_draw_things(record: Record) -> str | None:
    if {"uc", "v2", "profile", "model"} & set(record.fields) and (prompt := record.get("c")):
        return prompt
    parts = split_parameters(record.text)
    if "Guidance Scale:" not in parts.settings:
        return None
    # The negative prompt is a line of its own that starts with a minus sign.
    return parts.prompt.split("\n-")[0]


def _read_easy_diffusion(record: Record) -> str | None:
    prompt = record.get("prompt")
    if record.parsed:
        return prompt if _EASY_DIFFUSION & set(record.fields) else None
    is_json = _JSON_START.match(prompt) or (prompt.lstrip().startswith("[") and parse_json(prompt) is not None)
    return None if is_json else prompt


def _read_fooocus(record: Record) -> str | None:
    for fields in (record.part("parameters"), dict(record.fields) if record.parsed else {}):
        if prompt := as_text(fields.get("prompt")) or as_text(fields.get("Prompt")):
            return prompt
    return None


def _read_automatic1111(record: Record) -> str | None:
    text = record.get("parameters", "Parameters")
    if text and not _JSON_START.match(text):
        return split_parameters(text).prompt
    # Cameras and phones write comments too ("Screenshot"); only settings prove a generator.
    parts = split_parameters(record.text)
    return parts.prompt if parts.settings else None


def _read_comfyui(record: Record) -> str | None:
    graphs = [_parsed(record.fields.get("prompt"))]
    if record.parsed:
        # Some writers store the graph itself, without a name.
        graphs += [dict(record.fields), to_api(dict(record.fields))]
    graphs.append(to_api(_parsed(record.fields.get("workflow"))))
    return next((prompt for graph in graphs if (prompt := read_graph(graph))), None)


def _read_invokeai(record: Record) -> str | None:
    holders = [record.part("invokeai_metadata")]
    if record.parsed and _INVOKEAI & set(record.fields):
        holders.append(dict(record.fields))
    for fields in holders:
        if prompt := as_text(fields.get("positive_prompt")) or as_text(fields.get("positive_conditioning")):
            return prompt
    if prompt := _prompt_of_graph(record.part("invokeai_graph")):
        return prompt
    image = as_object(record.part("sd-metadata").get("image")) or (record.part("image") if record.parsed else {})
    prompts = image.get("prompt")
    if isinstance(prompts, list):
        parts = [as_text(part.get("prompt")) if isinstance(part, dict) else as_text(part) for part in prompts]
        prompts = " ".join(part for part in parts if part)
    if prompt := as_text(prompts):
        return prompt
    dream = record.get("Dream") or (record.text if len(_DREAM.findall(record.text[:_MAX_JOINED])) > 1 else "")
    return _prompt_of_command(dream.strip())


def _prompt_of_graph(graph: dict[str, object]) -> str:
    """Return the prompt among the nodes of InvokeAI's graph."""
    nodes = as_object(graph.get("nodes"))
    for name, node in nodes.items():
        fields = as_object(node) if name.lower().startswith(("positive", "pos_cond")) else {}
        if prompt := as_text(fields.get("prompt")) or as_text(fields.get("value")):
            return prompt
    return ""


def _prompt_of_command(command: str) -> str:
    """Return the prompt of a command line: the prompt in quotes, then options. What is in brackets is negative."""
    if quoted := re.match(r'"((?:[^"\\]|\\.)*)"', command):
        prompt = re.sub(r'\\(["\\])', r"\1", quoted[1])
    else:
        prompt = _DREAM_OPTION.split(command, maxsplit=1)[0]
    return re.sub(r"\s*\[[^\[\]]*\]", "", prompt)


def _parsed(value: object) -> object:
    return parse_json(value) if isinstance(value, str) else value


#: Readers in order: programs that write JSON into another program's field first, exact texts before graphs, and what
#: may be of any program last.
READERS: tuple[tuple[PromptSource, Callable[[Record], str | None]], ...] = (
    (PromptSource.SWARMUI, _read_swarmui),
    (PromptSource.CIVITAI, _read_civitai),
    (PromptSource.NOVELAI, _read_novelai),
    (PromptSource.DRAW_THINGS, _read_draw_things),
    (PromptSource.INVOKEAI, _read_invokeai),
    (PromptSource.EASY_DIFFUSION, _read_easy_diffusion),
    (PromptSource.FOOOCUS, _read_fooocus),
    (PromptSource.AUTOMATIC1111, _read_automatic1111),
    (PromptSource.COMFYUI, _read_comfyui),
    (PromptSource.MIDJOURNEY, read_midjourney),
    (PromptSource.DESCRIPTION, read_description),
)
