"""Find the prompt of a picture. The first source that has one wins:

given text > named prompts > NAME.txt next to the picture > the picture's own metadata > captioner > plain caption

Captions are guesses, and marked as such. A caption that is likely wrong says nothing about the subject: a captioner is
used without being asked for only if it is right on photographs at least as often as `MIN_CONFIDENCE`.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from codec.analysis.captioning.captioner import CONFIDENCE, Captioner, caption, is_ready, parse_captioner
from codec.analysis.captioning.palette import plain_caption
from codec.analysis.prompt.metadata import read_prompt
from codec.analysis.prompt.text_bounds import MAX_PROMPT_LENGTH, FoundPrompt, PromptSource, clean_text
from codec.image_io import LoadedPicture
from layercast_common.errors import MissingExtraError, MissingModelError, ModelFilesError, PromptError

#: Largest JSON file of prompts, in bytes (16 MiB).
MAX_PROMPTS_SIZE = 16 << 20

#: The default level of detail; if a prompt lacks it, its first level.
DEFAULT_LEVEL = "medium"

#: Most levels that an error message lists.
_LISTED_LEVELS = 12

#: Least confidence of a captioner that is used without being asked for.
MIN_CONFIDENCE = 0.5

#: One picture's prompt: a text, or a text for each level of detail.
_Entry = str | Mapping[str, str]


def find_prompt(
    picture: LoadedPicture,
    *,
    given: str | None = None,
    prompts: Path | None = None,
    level: str | None = None,
    captioner: str | None = None,
) -> FoundPrompt:
    """Find a picture's prompt in the order of sources above.

    Args:
        picture: from `load_picture`; its file name selects its prompt among `prompts`.
        given: the prompt itself, if the caller has one.
        prompts: a folder of NAME.txt and NAME.json files, or a JSON file that maps file names to prompts. A prompt in
            JSON is a text, or an object of texts by level of detail, as {"short": "...", "long": "..."}.
        level: the level of detail to use if a prompt has several.
        captioner: the model that writes a prompt if none is found: "blip" or "blip2" (downloaded if needed), "mini"
            (included in the codec), "none" for no model; None selects the first of these that is ready and reliable.

    Raises:
        PromptError: the given text is blank, or the prompts cannot be read or lack this picture or level.
        UsageError: there is no captioner of that name.
        MissingExtraError, MissingModelError, ModelFilesError: the captioner is not installed or is broken.
    """
    chosen = parse_captioner(captioner)
    if given is not None:
        return FoundPrompt(_clean_or_raise(given, "the given prompt"), PromptSource.GIVEN)
    if prompts is not None:
        return FoundPrompt(_look_up_prompt(prompts, picture.path, level), PromptSource.PROMPTS)
    if found := _read_sidecar(picture.path) or read_prompt(picture.metadata):
        return found
    captioned = _write_caption(picture, chosen) if captioner is not None else _caption_if_ready(picture)
    # What is measured is true.
    return captioned or FoundPrompt(plain_caption(picture.image), PromptSource.MEASURED, 1.0)


def _write_caption(picture: LoadedPicture, captioner: Captioner | None, *, fetch: bool = True) -> FoundPrompt | None:
    text = clean_text(caption(picture.image, captioner, fetch=fetch)) if captioner is not None else ""
    if captioner is None or not text:
        return None
    return FoundPrompt(text, PromptSource(str(captioner)), CONFIDENCE.get(captioner))


def _caption_if_ready(picture: LoadedPicture) -> FoundPrompt | None:
    """Return a caption by the first reliable model that is ready; models with incomplete files are skipped."""
    reliable = (captioner for captioner in Captioner if CONFIDENCE.get(captioner, 1.0) >= MIN_CONFIDENCE)
    for captioner in filter(is_ready, reliable):
        with suppress(MissingExtraError, MissingModelError, ModelFilesError):
            return _write_caption(picture, captioner, fetch=False)
    return None


def _clean_or_raise(text: str, what: str) -> str:
    cleaned = clean_text(text)
    if not cleaned:
        raise PromptError(f"{what} is blank; leave it out to find one automatically")
    return cleaned


def _read_sidecar(path: Path | None) -> FoundPrompt | None:
    if path is None or not (file := path.with_suffix(".txt")).is_file():
        return None
    text = clean_text(_read_text(file))
    return FoundPrompt(text, PromptSource.SIDECAR) if text else None


def _look_up_prompt(prompts: Path, path: Path | None, level: str | None) -> str:
    if path is None:
        raise PromptError("a picture that is not a file has no name to look up; give its prompt directly")
    if prompts.is_dir():
        entry, where = _read_from_folder(prompts, path), f"{prompts} for {path.name}"
    elif prompts.is_file():
        entry, where = _read_from_mapping(prompts, path), f"{prompts} for {path.name}"
    else:
        raise PromptError(f"there are no prompts at {prompts}: name a folder or a JSON file")
    return _clean_or_raise(_text_at_level(entry, level, where), f"the prompt in {where}")


def _read_from_folder(folder: Path, path: Path) -> _Entry:
    for name in (path.stem, path.name):
        if (file := folder / f"{name}.txt").is_file():
            return _read_text(file)
        if (file := folder / f"{name}.json").is_file():
            return _check_entry(_read_json(file), str(file))
    raise PromptError(f"{folder} has no prompt for {path.name}: neither {path.stem}.txt nor {path.stem}.json")


def _read_from_mapping(file: Path, path: Path) -> _Entry:
    mapping = _read_json(file)
    if not isinstance(mapping, dict):
        raise PromptError(f"{file} does not map file names to prompts")
    for name in (path.name, path.stem):
        if name in mapping:
            return _check_entry(mapping[name], f"{file} for {name}")
    raise PromptError(f"{file} has no prompt for {path.name}")


def _check_entry(entry: object, where: str) -> _Entry:
    if isinstance(entry, str):
        return entry
    if isinstance(entry, dict) and entry and all(isinstance(text, str) for text in entry.values()):
        return entry
    raise PromptError(f"the prompt in {where} is neither a text nor an object of texts by level")


def _text_at_level(entry: _Entry, level: str | None, where: str) -> str:
    """Return the text at a level; a plain text counts as every level."""
    if isinstance(entry, str):
        return entry
    if level is None:
        return entry.get(DEFAULT_LEVEL) or next(iter(entry.values()))
    if level not in entry:
        listed = ", ".join(clean_text(name)[:40] for name in list(entry)[:_LISTED_LEVELS])
        raise PromptError(f"the prompt in {where} has no level {level!r}; it has {listed}")
    return entry[level]


def _read_text(file: Path) -> str:
    try:
        with file.open(encoding="utf-8-sig") as opened:
            return opened.read(4 * MAX_PROMPT_LENGTH)
    except OSError as error:
        raise PromptError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PromptError(f"{file} is not UTF-8 text") from error


def _read_json(file: Path) -> object:
    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_PROMPTS_SIZE + 1)
        if len(data) > MAX_PROMPTS_SIZE:
            raise PromptError(f"{file} is larger than {MAX_PROMPTS_SIZE >> 20} MiB")
        parsed: object = json.loads(data.decode("utf-8-sig"))
    except OSError as error:
        raise PromptError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise PromptError(f"{file} is not JSON") from error
    return parsed
