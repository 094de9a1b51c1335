"""Who may watch."""

import pytest

from receiver.viewer.live import origin_allowed


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        (None, "192.0.2.7:8080", True),
        ("http://192.0.2.7:8080", "192.0.2.7:8080", True),
        ("http://show.example", "show.example", True),
        ("http://show.example", "show.example:80", True),
        ("https://Show.Example", "show.example", True),
        ("http://[2001:db8::1]:8080", "[2001:db8::1]:8080", True),
        ("https://listed.example", "inner:8080", True),
        ("http://192.0.2.7:8081", "192.0.2.7:8080", False),
        ("https://show.example", "show.example:80", False),
        ("http://evil.example", "show.example", False),
        ("http://show.example.evil.example", "show.example", False),
        ("http://show.example@evil.example", "show.example", False),
        ("http://listed.example", "inner:8080", False),
        ("null", "show.example", False),
        ("", "", False),
        ("file://", "", False),
        ("http://[", "[", False),
        ("http://show.example:99999", "show.example:99999", False),
    ],
)
def test_origin(origin: str | None, host: str, expected: bool) -> None:
    assert origin_allowed(origin, host, {"https://listed.example"}) is expected
