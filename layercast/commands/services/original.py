"""Gives a receiver's page the original of a picture, to compare with. It travels apart from the link, over HTTP."""

import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from codec.image_io import load_picture
from codec.layers import Size
from layercast_common.errors import ConnectError, UsageError
from receiver.viewer.pictures.rivals import copy_original

#: How long the page may take to answer, in seconds; how often it is asked while it does not know the picture yet.
TIMEOUT, TRIES = 30.0, 5


def check_page(address: str) -> str:
    """Return the address of a page without a final slash.

    Raises:
        UsageError: it is no address of a page.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(
            f"--with-original takes the address of the page, such as http://192.0.2.7:8080, not {address!r}"
        )
    return address.rstrip("/")


def give_original(page: str, label: str, picture: Path, canvas: Size, token: str | None) -> int:
    """Give a page a copy of a picture at canvas size; return its bytes.

    Args:
        page: the page's address, from `check_page`.
        label: the receiver's name of the picture.
        picture: the file.
        canvas: (width, height) of the canvas.
        token: the token that the page asks for; None without one.

    Raises:
        ConnectError: the page cannot be reached, or does not take it.
        PictureError: the file cannot be read.
    """
    copy = copy_original(load_picture(picture).image, canvas).data
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{page}/control/pictures/{label}/original", copy, headers)  # noqa: S310 - checked
    for attempt in range(TRIES):
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT):  # noqa: S310 - the address was checked
                return len(copy)
        except urllib.error.HTTPError as error:
            reason = error.read(1000).decode("utf-8", "replace").strip()
            # The page draws events one after the other, and may not know the picture yet.
            if error.code != 404 or attempt + 1 == TRIES:
                raise ConnectError(f"{page} does not take the original: {reason or error.reason}") from error
        except OSError as error:
            raise ConnectError(f"the page {page} cannot be reached: {error}") from error
        time.sleep(2**attempt / 4)
    raise AssertionError
