"""Colour profiles (ICC.1) -> sRGB."""

import io

from PIL import Image, ImageCms

#: Largest profile that is read, in bytes (8 MiB); those of printing presses have 1 to 3 MB.
MAX_PROFILE = 8 << 20

#: The mode that a profile's colours have, by its colour space.
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}

#: Modes of pictures that a profile of grey may describe.
_GRAYS = frozenset({"1", "L", "LA", "La"})


class ColorTransform:
    """Converts pictures with a colour profile to sRGB, by its perceptual intent.

    Args:
        profile: the profile, as the file holds it.
        gray, cmyk: whether the picture is in shades of grey, or in CMYK; else it is RGB.

    Attributes:
        mode: the mode of the pictures that it converts: RGB, L or CMYK.

    Raises:
        ValueError: the profile is broken, too large, or does not describe such a picture.
    """

    def __init__(self, profile: bytes, *, gray: bool = False, cmyk: bool = False) -> None:
        if len(profile) > MAX_PROFILE:
            raise ValueError(f"it has more than {MAX_PROFILE >> 20} MiB")
        try:
            opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            space = str(opened.profile.xcolor_space).strip()
            self.mode = _MODES.get(space, "")
            # A profile of RGB describes a grey picture too, as one whose channels are equal.
            if self.mode not in (("CMYK",) if cmyk else ("L", "RGB") if gray else ("RGB",)):
                raise ValueError(f"it describes {space or 'unknown'} colours, which the picture does not have")
            self._transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), self.mode, "RGB")
        except (ImageCms.PyCMSError, OSError, TypeError, AttributeError) as error:
            raise ValueError("it is broken") from error

    def apply(self, image: Image.Image) -> Image.Image:
        """Return the picture in sRGB.

        Args:
            image: PIL image of the transform's mode.
        """
        converted = ImageCms.applyTransform(image, self._transform)
        assert converted is not None
        return converted


def find_transform(image: Image.Image) -> tuple[ColorTransform | None, str]:
    """Return the transform for a picture with a colour profile, and a note if its profile cannot be used.

    Args:
        image: a PIL image of any mode.
    """
    profile = image.info.get("icc_profile")
    if not isinstance(profile, bytes) or not profile:
        return None, ""
    gray = image.mode in _GRAYS or image.mode.startswith(("I", "F"))
    try:
        return ColorTransform(profile, gray=gray, cmyk=image.mode == "CMYK"), ""
    except ValueError as error:
        return None, f"the picture's colour profile is skipped: {error}; its colours are taken as sRGB"


def lab_to_srgb(image: Image.Image) -> Image.Image:
    """Return a picture of mode LAB as RGB."""
    converted = ImageCms.profileToProfile(
        image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    assert converted is not None
    return converted
