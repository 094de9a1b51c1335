"""How large the networks that draw are: those of `mini`, and tiny ones, on which every stage is through in no time.

Which of the two is written down in the working folder by the first stage, for all that come after it.
"""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

#: What `--smoke` makes of every stage: pictures and scenes of a split at most, steps, and pictures a step.
SMOKE_PICTURES, SMOKE_STEPS, SMOKE_BATCH = 8, 3, 2


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the networks.

    Attributes:
        channels: of the UNet's and the adapters' levels, multiples of 32.
        text: width of the text encoder, a multiple of 64.
        text_layers: its layers.
        decoder: width of the autoencoder's decoder.
    """

    channels: tuple[int, int, int]
    text: int
    text_layers: int
    decoder: int

    def save(self, work: Path) -> None:
        """Write them into the working folder."""
        work.mkdir(parents=True, exist_ok=True)
        (work / _NAME).write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")

    @classmethod
    def of(cls, work: Path) -> "Sizes":
        """Those of the working folder; where none are written down, those of `mini`."""
        path = work / _NAME
        if not path.exists():
            return MINI
        stored = json.loads(path.read_text(encoding="utf-8"))
        return cls(**{**stored, "channels": tuple(stored["channels"])})


_NAME = "sizes.json"

MINI = Sizes(channels=(96, 160, 224), text=256, text_layers=3, decoder=32)
SMOKE = Sizes(channels=(32, 32, 64), text=64, text_layers=1, decoder=8)
