"""Parts that a user adds to a model: LoRAs and another autoencoder."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from layercast_common.errors import UsageError

#: Largest useful weight of a LoRA, on either side of zero.
MAX_LORA_WEIGHT = 2.0


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA (arXiv 2106.09685) to add to a model's weights.

    Attributes:
        source: a file, a folder, or a hub id.
        file: a file's name in the hub's repository; None for the usual one. A local source has none.
        weight: factor, from -`MAX_LORA_WEIGHT` to `MAX_LORA_WEIGHT`.
    """

    source: str
    file: str | None = None
    weight: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read FILE, FOLDER, OWNER/NAME or OWNER/NAME/FILE, each with ":WEIGHT" or without.

        Raises:
            UsageError: there is no source, or the weight is out of range.
        """
        source, weight = text, 1.0
        head, colon, number = text.rpartition(":")
        # Other colons belong to the path, such as a drive's.
        with suppress(ValueError):
            weight = float(number) if colon else 1.0
            source = head if colon else text
        if not source.strip(": ") or not -MAX_LORA_WEIGHT <= weight <= MAX_LORA_WEIGHT:
            raise UsageError(
                f"a LoRA is a file, a folder or a hub id, then a colon and a weight up to {MAX_LORA_WEIGHT:g}, "
                f"as in style.safetensors:0.8; not {text!r}"
            )
        owner, _, rest = source.partition("/")
        name, _, file = rest.partition("/")
        remote = file.endswith(".safetensors") and owner not in ("", ".", "..", "~") and not _exists(source)
        return cls(f"{owner}/{name}", file, weight) if remote else cls(source, None, weight)


def _exists(source: str) -> bool:
    return Path(source).expanduser().exists() or Path(source.partition("/")[0]).exists()
