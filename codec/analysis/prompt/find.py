"""The prompt of a picture, from the surest source that has one.

given text > named prompts > NAME.txt beside the picture > the picture's own metadata > captioner > plain caption
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from codec.analysis.captioning.captioner import Captioner, caption, is_ready
from codec.analysis.captioning.palette import plain_caption
from codec.analysis.prompt.metadata import read_prompt
from codec.analysis.prompt.text_bounds import MAX_PROMPT_LENGTH, FoundPrompt, PromptSource, clean_text
from codec.image_io import LoadedPicture
from layercast_common.errors import MissingExtraError, MissingModelError, ModelFilesError, PromptError, UsageError

#: Size of a JSON file of prompts that is read, in bytes (16 MiB).
MAX_PROMPTS_SIZE = 16 << 20

#: The level of detail that is taken where none was chosen, if it is there; else the first one.
DEFAULT_LEVEL = "medium"

#: Levels that an error message lists.
_LISTED_LEVELS = 12

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
    """Find a picture's prompt.

    Args:
        picture: as `load_picture` gives it; its path names it among the prompts.
        given: the text itself.
        prompts: a folder of NAME.txt and NAME.json files, or a JSON file that maps file names to prompts. A prompt in
            JSON is a text, or an object of texts by level of detail, as {"short": "...", "long": "..."}.
        level: the level of detail to take where a prompt has several.
        captioner: "blip" or "blip2" to have a text written where none is found (fetched if need be), "mini" for the
            small one that ships with the codec, "none" for never; None takes the first of these that is there.

    Raises:
        PromptError: the given text is blank, or the named prompts cannot be read, lack the picture or the level.
        UsageError: there is no captioner of that name.
        MissingExtraError, MissingModelError, ModelFilesError: the captioner asked for is not there or is broken.
    """
    chosen = _chosen_captioner(captioner)
    if given is not None:
        return FoundPrompt(_said(given, "the given prompt"), PromptSource.GIVEN)
    if prompts is not None:
        return FoundPrompt(_named_prompt(prompts, picture.path, level), PromptSource.PROMPTS)
    if found := _sidecar(picture.path) or read_prompt(picture.metadata):
        return found
    written = _written(picture, chosen) if captioner is not None else _written_if_ready(picture)
    return written or FoundPrompt(plain_caption(picture.image), PromptSource.MEASURED)


def _written(picture: LoadedPicture, captioner: Captioner | None, *, fetch: bool = True) -> FoundPrompt | None:
    text = clean_text(caption(picture.image, captioner, fetch=fetch)) if captioner is not None else ""
    return FoundPrompt(text, PromptSource(str(captioner))) if text else None


def _written_if_ready(picture: LoadedPicture) -> FoundPrompt | None:
    """A caption by a model that nobody asked for but that is here; one that turns out incomplete is passed over."""
    for captioner in filter(is_ready, Captioner):
        with suppress(MissingExtraError, MissingModelError, ModelFilesError):
            return _written(picture, captioner, fetch=False)
    return None


def _chosen_captioner(name: str | None) -> Captioner | None:
    if name is None or name == "none":
        return None
    try:
        return Captioner(name)
    except ValueError as error:
        raise UsageError(f"no captioner is called {name!r}; there are blip, blip2, mini and none") from error


def _said(text: str, what: str) -> str:
    cleaned = clean_text(text)
    if not cleaned:
        raise PromptError(f"{what} is blank; leave it out to have one found")
    return cleaned


def _sidecar(path: Path | None) -> FoundPrompt | None:
    if path is None or not (file := path.with_suffix(".txt")).is_file():
        return None
    text = clean_text(_read_text(file))
    return FoundPrompt(text, PromptSource.SIDECAR) if text else None


def _named_prompt(prompts: Path, path: Path | None, level: str | None) -> str:
    if path is None:
        raise PromptError("a picture that is no file has no name to look up among prompts; give its prompt itself")
    if prompts.is_dir():
        entry, where = _from_folder(prompts, path), f"{prompts} for {path.name}"
    elif prompts.is_file():
        entry, where = _from_mapping(prompts, path), f"{prompts} for {path.name}"
    else:
        raise PromptError(f"there are no prompts at {prompts}: name a folder or a JSON file")
    return _said(_at_level(entry, level, where), f"the prompt in {where}")


def _from_folder(folder: Path, path: Path) -> _Entry:
    for name in (path.stem, path.name):
        if (file := folder / f"{name}.txt").is_file():
            return _read_text(file)
        if (file := folder / f"{name}.json").is_file():
            return _checked(_read_json(file), str(file))
    raise PromptError(f"{folder} has no prompt for {path.name}: neither {path.stem}.txt nor {path.stem}.json")


def _from_mapping(file: Path, path: Path) -> _Entry:
    mapping = _read_json(file)
    if not isinstance(mapping, dict):
        raise PromptError(f"{file} does not map file names to prompts")
    for name in (path.name, path.stem):
        if name in mapping:
            return _checked(mapping[name], f"{file} for {name}")
    raise PromptError(f"{file} has no prompt for {path.name}")


def _checked(entry: object, where: str) -> _Entry:
    if isinstance(entry, str):
        return entry
    if isinstance(entry, dict) and entry and all(isinstance(text, str) for text in entry.values()):
        return entry
    raise PromptError(f"the prompt in {where} is neither a text nor an object of texts by level")


def _at_level(entry: _Entry, level: str | None, where: str) -> str:
    """The text at a level; a prompt that is one text has it at every level."""
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
