"""Files of prompts: NAME.txt beside a picture, and folders and JSON files of prompts by picture name."""

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from codec.analysis.prompt.text_bounds import MAX_PROMPT_LENGTH, clean_text
from codec.reading.encodings import decode_text
from layercast_common.errors import PromptError
from layercast_common.files import open_regular
from layercast_common.nested_text import parse_json

#: Largest JSON file of prompts, in bytes (16 MiB).
MAX_PROMPTS_SIZE = 16 << 20

#: The default level of detail; if a prompt lacks it, its first level.
DEFAULT_LEVEL = "medium"

#: Most levels that an error message lists.
_LISTED_LEVELS = 12

#: One picture's prompt: a text, or a text for each level of detail.
_Entry = str | Mapping[str, str]


def read_sidecar(path: Path) -> tuple[str, str]:
    """Return the text of NAME.txt beside a picture, and a note.

    The file was not asked for, so one that cannot be read costs a note and no more.

    Args:
        path: the picture.

    Returns:
        The text and the note; each may be empty.
    """
    file = find_sidecar(path)
    if file is None:
        return "", ""
    try:
        text, encoding = _read_text(file)
    except PromptError as error:
        return "", f"{error}; the file is left out"
    return text, "" if encoding == "utf-8" else f"{file} is not UTF-8; it is read as {encoding}"


def find_sidecar(path: Path) -> Path | None:
    """Return NAME.txt beside a picture, in whatever form Unicode spells its letters; None if there is none."""
    return next((file for file in _spellings(path.with_suffix(".txt")) if file.is_file()), None)


def look_up_prompt(prompts: Path, path: Path | None, level: str | None) -> tuple[str, str]:
    """Return a picture's prompt from a folder or file of prompts, and where it is, for messages.

    Names match in whatever form Unicode spells their letters.

    Args:
        prompts: a folder of NAME.txt and NAME.json files, or a JSON file that maps file names to prompts.
        path: the picture.
        level: the level of detail to use if a prompt has several.

    Raises:
        PromptError: the prompts cannot be read, or lack this picture or level.
    """
    if path is None:
        raise PromptError("a picture that is not a file has no name to look up; give its prompt directly")
    if prompts.is_dir():
        entry, where = _read_from_folder(prompts, path), f"{prompts} for {path.name}"
    elif prompts.is_file():
        entry, where = _read_from_mapping(prompts, path), f"{prompts} for {path.name}"
    else:
        raise PromptError(f"there are no prompts at {prompts}: name a folder or a JSON file")
    return _text_at_level(entry, level, where), where


def _spellings(file: Path) -> Iterator[Path]:
    """Yield the file, and its name with letters in one piece and taken apart: macOS stores names taken apart."""
    for name in dict.fromkeys([file.name, *(unicodedata.normalize(form, file.name) for form in ("NFC", "NFD"))]):
        yield file.with_name(name)


def _read_from_folder(folder: Path, path: Path) -> _Entry:
    for name in (path.stem, path.name):
        for file in _spellings(folder / f"{name}.txt"):
            if file.is_file():
                return _read_text(file)[0]
        for file in _spellings(folder / f"{name}.json"):
            if file.is_file():
                return _check_entry(_read_json(file), str(file))
    raise PromptError(f"{folder} has no prompt for {path.name}: neither {path.stem}.txt nor {path.stem}.json")


def _read_from_mapping(file: Path, path: Path) -> _Entry:
    mapping = _read_json(file)
    if not isinstance(mapping, dict):
        raise PromptError(f"{file} does not map file names to prompts")
    for name in (path.name, path.stem):
        if name in mapping:
            return _check_entry(mapping[name], f"{file} for {name}")
    composed = {unicodedata.normalize("NFC", name): entry for name, entry in mapping.items()}
    for name in (path.name, path.stem):
        if (key := unicodedata.normalize("NFC", name)) in composed:
            return _check_entry(composed[key], f"{file} for {name}")
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


def _read_text(file: Path) -> tuple[str, str]:
    """Return the beginning of a text file, and its encoding."""
    data = _read_bytes(file, 16 * MAX_PROMPT_LENGTH)
    # The limit may have cut the last character.
    found = decode_text(data) or (decode_text(data[:-4]) if len(data) == 16 * MAX_PROMPT_LENGTH else None)
    if found is None:
        raise PromptError(f"{file} is not text in UTF-8, UTF-16 or Windows-1252; save it as UTF-8")
    return found


def _read_json(file: Path) -> object:
    data = _read_bytes(file, MAX_PROMPTS_SIZE + 1)
    if len(data) > MAX_PROMPTS_SIZE:
        raise PromptError(f"{file} is larger than {MAX_PROMPTS_SIZE >> 20} MiB")
    try:
        found = decode_text(data)
        parsed: object = parse_json(found[0] if found else data)
    except ValueError as error:
        raise PromptError(f"{file} is not JSON") from error
    return parsed


def _read_bytes(file: Path, count: int) -> bytes:
    try:
        with open_regular(file) as opened:
            return opened.read(count)
    except OSError as error:
        raise PromptError(f"{file} cannot be read: {error.strerror}") from error
