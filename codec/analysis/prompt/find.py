"""Find the prompt of a picture. The first source that has one wins:

given text > named prompts > NAME.txt next to the picture > the picture's own metadata > captioner > plain caption

Captions are guesses, and marked as such. A caption that is likely wrong says nothing about the subject: a captioner is
used without being asked for only if it is right on photographs at least as often as `MIN_CONFIDENCE`.
"""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from codec.analysis.captioning.captioner import CONFIDENCE, Captioner, caption, is_ready, parse_captioner
from codec.analysis.captioning.palette import plain_caption
from codec.analysis.prompt.markup import strip_markup
from codec.analysis.prompt.metadata import read_prompt
from codec.analysis.prompt.parameters import split_parameters
from codec.analysis.prompt.prompt_files import look_up_prompt, read_sidecar
from codec.analysis.prompt.text_bounds import FoundPrompt, PromptSource, clean_text
from codec.image_io import LoadedPicture
from layercast_common.errors import MissingExtraError, MissingModelError, ModelFilesError, PromptError

#: Least confidence of a captioner that is used without being asked for.
MIN_CONFIDENCE = 0.5


def find_prompt(
    picture: LoadedPicture,
    *,
    given: str | None = None,
    prompts: Path | None = None,
    level: str | None = None,
    captioner: str | None = None,
    keep_weights: bool = False,
) -> FoundPrompt:
    """Find a picture's prompt in the order of sources above.

    Prompts that are found beside or in the picture lose the markup that only their program understands; see
    `codec.analysis.prompt.markup`. Prompts that the caller gives or names stay as they are.

    Args:
        picture: from `load_picture`; its file name selects its prompt among `prompts`.
        given: the prompt itself, if the caller has one.
        prompts: a folder of NAME.txt and NAME.json files, or a JSON file that maps file names to prompts. A prompt in
            JSON is a text, or an object of texts by level of detail, as {"short": "...", "long": "..."}.
        level: the level of detail to use if a prompt has several.
        captioner: the model that writes a prompt if none is found: "blip" or "blip2" (downloaded if needed), "mini"
            (included in the codec), "none" for no model; None selects the first of these that is ready and reliable.
        keep_weights: leave the weights in prompts that are found, such as `(a fox:1.3)`.

    Raises:
        PromptError: the given text is blank, or the prompts cannot be read or lack this picture or level.
        UsageError: there is no captioner of that name.
        MissingExtraError, MissingModelError, ModelFilesError: the captioner is not installed or is broken.
    """
    chosen = parse_captioner(captioner)
    if given is not None:
        return FoundPrompt(_clean_or_raise(given, "the given prompt"), PromptSource.GIVEN)
    if prompts is not None:
        text, where = look_up_prompt(prompts, picture.path, level)
        return FoundPrompt(_clean_or_raise(text, f"the prompt in {where}"), PromptSource.PROMPTS)
    text, note = ("", "") if picture.path is None else read_sidecar(picture.path)
    found = _of_sidecar(text, keep_weights=keep_weights) or read_prompt(picture.metadata, keep_weights=keep_weights)
    if found is None:
        captioned = _write_caption(picture, chosen) if captioner is not None else _caption_if_ready(picture)
        # What is measured is true.
        found = captioned or FoundPrompt(plain_caption(picture.image), PromptSource.MEASURED, 1.0)
    return replace(found, notes=(note,)) if note else found


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


def _of_sidecar(text: str, *, keep_weights: bool) -> FoundPrompt | None:
    """Return the prompt of a text file: a person's words, or the parameters that AUTOMATIC1111's program saves."""
    parts = split_parameters(text)
    dialect = PromptSource.AUTOMATIC1111 if parts.settings else PromptSource.SIDECAR
    prompt = parts.prompt if parts.settings else text
    cleaned = clean_text(strip_markup(prompt, dialect, keep_weights=keep_weights))
    return FoundPrompt(cleaned, PromptSource.SIDECAR) if cleaned else None
