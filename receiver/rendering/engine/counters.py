"""What a rendering engine counts."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCounters:
    """What an engine did so far.

    Attributes:
        steps: denoising steps, each picture counted.
        passes: UNet passes; fewer than `steps` where pictures shared one.
        saved: steps kept when new layers came, thanks to joining or rewinding.
        thrown_away: steps done in vain: restarted, rewound, replaced, cancelled or failed.
        frames: frames given, final ones included.
        finished: pictures fully denoised.
        failed: pictures that ended in an error.
        refused: pictures turned away because the engine was full.
        preparing_s: seconds spent on text and conditions.
        stepping_s: seconds spent on steps, everything around the UNet included.
        decoding_s: seconds spent on turning latents into frames.
    """

    steps: int = 0
    passes: int = 0
    saved: int = 0
    thrown_away: int = 0
    frames: int = 0
    finished: int = 0
    failed: int = 0
    refused: int = 0
    preparing_s: float = 0.0
    stepping_s: float = 0.0
    decoding_s: float = 0.0

    def plus(self, **more: float) -> "EngineCounters":
        """The same with `more` added, by name."""
        return replace(self, **{name: getattr(self, name) + value for name, value in more.items()})
