"""What drawing needs beyond layercast's own dependencies."""

from importlib.util import find_spec

from layercast_common.errors import MissingExtraError


def require_render_extra() -> None:
    """Make sure that the diffusion libraries are installed, without loading them.

    Raises:
        MissingExtraError: they are not.
    """
    if any(find_spec(name) is None for name in ("torch", "diffusers", "transformers")):
        raise MissingExtraError("drawing pictures", "render")
