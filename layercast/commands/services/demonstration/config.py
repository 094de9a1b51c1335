"""Configuration of the demo. Importing it loads no coder and no renderer, so that the demo's page answers at once."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from layercast.samples import sample_paths
from protocol.link_profiles import LinkProfile

if TYPE_CHECKING:
    from receiver.rendering.settings.tuning import Tuning


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """Configuration of the demo.

    Attributes:
        link: the link between sender and receiver.
        image: the picture; the samples, one after the other, if None.
        prompt: description of the picture; from a file beside it or from its metadata if None.
        model, device, steps: as for `layercast.render`.
        performance, tuning: as for `receiver.rendering.load_model`.
        allow: what visitors of the page may do, see `Controls`.
        quiet: write nothing to stderr.
    """

    link: LinkProfile
    image: Path | None
    prompt: str | None
    model: str
    device: str
    performance: str
    tuning: "Tuning"
    steps: int | None
    allow: frozenset[str]
    quiet: bool

    @property
    def images(self) -> list[Path]:
        """The pictures to send, in order."""
        return [self.image] if self.image else sample_paths()
