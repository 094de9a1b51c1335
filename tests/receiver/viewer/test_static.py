"""The page's files."""

import re

from receiver.viewer.options import STATIC


def modules_of(page: str) -> set[str]:
    """Return the modules that a module of the page imports, and those that they import."""
    found: set[str] = set()
    names = [page]
    for name in names:
        source = (STATIC / name).read_text()
        imported = set(re.findall(r'^import .*? from "\./(.*?)";', source, re.MULTILINE | re.DOTALL))
        names += sorted(imported - found)
        found |= imported
    return found


def test_the_browser_requests_all_modules_at_once() -> None:
    page = (STATIC / "index.html").read_text()
    preloaded = re.findall(r'<link rel="modulepreload" href="static/(.*?)">', page)
    assert set(preloaded) == modules_of("viewer.js")
    assert len(preloaded) == len(set(preloaded))
