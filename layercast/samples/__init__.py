"""The demo's pictures: drawn by the embedded model itself, with their prompts in the PNG metadata."""

from pathlib import Path


def sample_paths() -> list[Path]:
    """The sample pictures, in the order that the demo shows them."""
    return sorted(Path(__file__).parent.glob("*.png"))
