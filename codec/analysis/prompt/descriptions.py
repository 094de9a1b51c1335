"""Prompts in plain words: Midjourney's, those of generators that store nothing else, and what people write."""

import re

from codec.analysis.prompt.records import Record

#: Options of Midjourney, which end its prompt.
_OPTION = re.compile(
    r"(?:^|\s)(?:--|—|–)(?:ar|aspect|v|version|s|stylize|style|niji|q|quality|c|chaos|no|seed|iw|w|weird|tile|stop|sref|"
    r"cref|cw|sw|oref|ow|p|profile|personalize|raw|fast|relax|turbo|repeat|r|video|test|testp|creative|upbeta|uplight|"
    r"hd|exp|draft|motion|loop|sameseed|sv|stealth|public)(?=\s|$)",
    re.IGNORECASE,
)

_JOB = re.compile(r"\s*\bJob ID:\s*[0-9a-f-]{8,40}\s*", re.IGNORECASE)

#: Addresses of pictures that a prompt starts with.
_ADDRESSES = re.compile(r"\s*(?:<?https?://\S+\s*)+")

#: `hot:: dog::2`: parts with weights.
_PART_WEIGHT = re.compile(r"::\s*-?(?:\d+(?:\.\d+)?)?")

#: What programs and cameras write where a description belongs.
_NOT_DESCRIPTIONS = re.compile(
    r"(?:created|made|edited|generated|processed|written|optimi[sz]ed|compressed|converted|scanned|captured|taken|shot|"
    r"exported|saved|produced|powered|resized|rendered|encoded|drawn|file written) "
    r"(?:with|by|using|on|in|at|from|for)\b|"
    r"screenshot|screen capture|\S*digital camera|sony dsc|minolta|samsung|casio|kodak|nikon|canon|copyright|\(c\)|©|"
    r"all rights reserved|creator:|lead technologies|lavc|exif_jpeg|untitled|default|image description|"
    r"handmade software|intel\(r\)|applemark|adobe|ducky|gimp|imagemagick|picasa|jpeg|photoshop|this file|"
    r"no (?:title|description)|non-commercial|for more information|warning|error",
    re.IGNORECASE,
)

#: Programs that write pictures from words, where their name stands for the program.
_GENERATORS = re.compile(
    r"dall|openai|chatgpt|gpt|midjourney|imagen|gemini|firefly|ideogram|flux|stable ?diffusion|bing|designer|leonardo|"
    r"recraft|krea|dream|grok|aurora|novelai|playground|craiyon|kandinsky|diffus",
    re.IGNORECASE,
)

#: Fewest words of a description: where people describe, and in a comment, which may hold anything.
_MIN_WORDS, _MIN_WORDS_OF_COMMENT = 2, 4

#: Characters of scripts without spaces; as many of them count as a word.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")

#: Names under which programs without a format of their own store a prompt.
_NAMES = ("Prompt", "positive_prompt", "Positive Prompt", "Positive prompt", "positive", "Positive", "prompt_text")

_DESCRIBING_NAMES = ("Description", "description", "ImageDescription", "Caption", "caption")


def read_midjourney(record: Record) -> str | None:
    """Return the prompt without options, job id and addresses; None without an option or a job id."""
    for text in (record.get("Description", "description"), record.text):
        job = _JOB.search(text)
        option = _OPTION.search(text)
        if job is None and option is None:
            continue
        ends = [found.start() for found in (job, option) if found is not None]
        prompt = _ADDRESSES.sub("", text[: min(ends)], count=1) if _ADDRESSES.match(text) else text[: min(ends)]
        return _PART_WEIGHT.sub(", ", prompt).replace(" ,", ",").strip(" ,\n")
    return None


def read_description(record: Record) -> str | None:
    """Return a text that reads as a description of a picture; None for what cameras and programs write instead."""
    if prompt := record.get(*_NAMES):
        return prompt
    made = bool(_GENERATORS.search(record.software))
    for name in _DESCRIBING_NAMES:
        if (text := record.get(name)) and _describes(text, 1 if made else _MIN_WORDS):
            return text
    fewest = 1 if made else _MIN_WORDS if record.described else _MIN_WORDS_OF_COMMENT
    return record.text if record.text and _describes(record.text, fewest) else None


def _describes(text: str, fewest: int) -> bool:
    text = text.strip()
    if _NOT_DESCRIPTIONS.match(text) or text[:1] in "{[<" or "\\" in text[:200]:
        return False
    if not any(character.islower() for character in text) and not _UNSPACED.search(text):
        return False
    words = [word for word in text.split() if sum(map(str.isalpha, word)) * 2 > len(word) and "=" not in word]
    return len(words) + len(_UNSPACED.findall(text[:1000])) // 2 >= fewest and len(words) * 2 >= len(text.split())
