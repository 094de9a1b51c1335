"""Counters of a rendering engine."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineCounters:
    """Work done since the engine started.

    Attributes:
        steps: denoising steps, summed over pictures.
        passes: UNet passes; fewer than `steps` where pictures shared one.
        saved: steps kept when new layers arrived, because the run joined or rewound instead of restarting.
        skipped: steps left out because a run began from an earlier picture instead of noise.
        thrown_away: steps whose result was discarded: restarted, rewound, replaced, cancelled or failed.
        frames: frames produced, final ones included.
        finished: pictures fully denoised.
        failed: pictures that ended in an error.
        refused: pictures refused because the engine was full.
        preparing_s: seconds spent on encoding text and conditions.
        stepping_s: seconds spent on steps, including the work around the UNet.
        decoding_s: seconds spent on decoding latents to pixels; on a CUDA device on beginning it and on waiting
            for the decoding before.
        finishing_s: seconds spent on fitting and resizing frames after that; on an accelerator beside the other work,
            summed over threads.
    """

    steps: int = 0
    passes: int = 0
    saved: int = 0
    skipped: int = 0
    thrown_away: int = 0
    frames: int = 0
    finished: int = 0
    failed: int = 0
    refused: int = 0
    preparing_s: float = 0.0
    stepping_s: float = 0.0
    decoding_s: float = 0.0
    finishing_s: float = 0.0

    def plus(self, **more: float) -> "EngineCounters":
        """Return a copy with `more` added to the counters of these names."""
        return replace(self, **{name: getattr(self, name) + value for name, value in more.items()})
