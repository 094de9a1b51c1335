"""Sizes of the networks: those of `mini`, and tiny ones with which every stage takes seconds.

The first stage stores the sizes in the working folder, and all later stages read them from there.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

#: Limits under `--smoke`: pictures and scenes of a split, steps of a stage, and batch size.
SMOKE_PICTURES, SMOKE_STEPS, SMOKE_BATCH = 8, 3, 2


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the networks.

    Attributes:
        channels: widths of the UNet's and the adapters' levels, multiples of 32.
        text: width of the text encoder, a multiple of 64.
        text_layers: layers of the text encoder.
        decoder: width of the autoencoder's decoder.
    """

    channels: tuple[int, int, int]
    text: int
    text_layers: int
    decoder: int

    def save(self, work: Path) -> None:
        """Write the sizes into the working folder."""
        work.mkdir(parents=True, exist_ok=True)
        (work / _NAME).write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")

    @classmethod
    def of(cls, work: Path) -> "Sizes":
        """Return the sizes in the working folder; those of `mini` if the folder has none."""
        path = work / _NAME
        if not path.exists():
            return MINI
        stored = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**stored, "channels": tuple(stored["channels"])})


_NAME = "sizes.json"

MINI = Sizes(channels=(96, 160, 224), text=256, text_layers=3, decoder=32)
SMOKE = Sizes(channels=(32, 32, 64), text=64, text_layers=1, decoder=8)
