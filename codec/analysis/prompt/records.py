"""The texts of a picture as records, in which each generator's prompt is searched for.

A record is the fields that one carrier holds: the named texts of a PNG, the JSON object in a comment, or a comment that
is plain text. So a generator's fields are found whatever carries them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast

from codec.analysis.prompt.text_bounds import parse_json
from codec.image_metadata import Metadata

#: Texts without fields of their own, the most exact first: comments, in which only programs write ...
_COMMENTS = ("exif:UserComment2", "xmp:exif:UserComment", "comment", "stealth")

#: ... and descriptions, in which people write too.
_DESCRIPTIONS = (
    "exif:ImageDescription", "exif:XPComment", "exif:XPSubject", "exif:XPTitle", "exif:DocumentName",
    "xmp:dc:description", "xmp:tiff:ImageDescription",
)  # fmt: skip

#: Named texts of a PNG that are copies of such a text.
_COPIES = re.compile(r"(?:exif:?)?(?:user[ _]?comment|image[ _]?description)|comment|description", re.IGNORECASE)

#: A name before JSON: ComfyUI stores `prompt:{...}` in EXIF tags of cameras.
_NAMED_JSON = re.compile(r"\s*([A-Za-z][\w -]{0,40}):\s*(?=[{\[])")

_SOFTWARE = ("Software", "exif:Software", "xmp:xmp:CreatorTool", "xmp:tiff:Software")


@dataclass(frozen=True, slots=True)
class Record:
    """Fields of one carrier.

    Attributes:
        fields: texts, or parsed JSON, by name; empty for plain text.
        text: plain text without a name; empty if there are fields.
        described: whether the carrier is one in which people describe pictures.
        parsed: whether the fields are those of a JSON object.
        software: the program that the file names; empty if it names none.
    """

    fields: Mapping[str, object] = field(default_factory=dict)
    text: str = ""
    described: bool = False
    parsed: bool = False
    software: str = ""

    def get(self, *names: str) -> str:
        """Return the first of these fields that is a text that is not blank; empty if there is none."""
        return next((value for name in names if (value := as_text(self.fields.get(name)))), "")

    def part(self, name: str) -> dict[str, object]:
        """Return a field that is a JSON object, or the text of one; empty if it is not."""
        return as_object(self.fields.get(name))


def read_records(metadata: Metadata) -> list[Record]:
    """Return the records of a picture, the most exact first."""
    texts = metadata.texts
    software = next((texts[name] for name in _SOFTWARE if name in texts), "")
    named = {name: text for name, text in texts.items() if ":" not in name and name not in ("comment", "stealth")}
    records = [Record(named, software=software)]
    for text, described in _unnamed(metadata, named):
        records.append(_record_of(text, software, described=described))
    return records


def as_object(value: object) -> dict[str, object]:
    """Return a JSON object, parsed or as text; empty for any other value."""
    if isinstance(value, str):
        value = parse_json(value) if value.lstrip("\ufeff \t\r\n")[:1] == "{" else None
    return cast(dict[str, object], value) if isinstance(value, dict) else {}


def as_text(value: object) -> str:
    """Return a text that is not blank; empty for any other value."""
    return value if isinstance(value, str) and value.strip() else ""


def _unnamed(metadata: Metadata, named: Mapping[str, str]) -> Iterator[tuple[str, bool]]:
    """Yield each text without fields of its own, and whether people describe pictures there."""
    texts = metadata.texts
    yield metadata.user_comment, False
    for name in _COMMENTS:
        yield texts.get(name, ""), False
    for name in _DESCRIPTIONS:
        yield texts.get(name, ""), True
    for name, text in named.items():
        if _COPIES.fullmatch(name):
            yield text, "description" in name.lower()
    for name in ("exif:Make", "exif:Model"):
        if _NAMED_JSON.match(text := texts.get(name, "")):
            yield text, False


def _record_of(text: str, software: str, *, described: bool) -> Record:
    if found := _NAMED_JSON.match(text):
        return Record({found[1].lower(): text[found.end() :]}, software=software)
    if parsed := as_object(text):
        return Record(parsed, parsed=True, software=software)
    return Record(text=text, described=described, software=software)
