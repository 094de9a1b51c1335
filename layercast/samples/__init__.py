"""The demo's pictures, rendered by the embedded model, with their prompts in the PNG metadata."""

from pathlib import Path


def sample_paths() -> list[Path]:
    """Return the sample pictures, in the order of the demo."""
    return sorted(Path(__file__).parent.glob("*.png"))


def recorded_path() -> Path:
    """Return the recorded arrival of the first sample, which the demo shows while it loads the model."""
    return Path(__file__).parent / "01.arrival"
