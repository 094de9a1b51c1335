"""The optional dependencies of rendering."""

from importlib.util import find_spec

from layercast_common.errors import MissingExtraError


def require_render_extra() -> None:
    """Check that the diffusion libraries are installed, without loading them.

    Raises:
        MissingExtraError: a library is missing.
    """
    if any(find_spec(name) is None for name in ("torch", "diffusers", "transformers")):
        raise MissingExtraError("drawing pictures", "render")
