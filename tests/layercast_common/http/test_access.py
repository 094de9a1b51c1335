"""Host names, origins and tokens of requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercast_common.http.access import bearer_token, host_allowed, origin_allowed


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8080", True),
        ("192.0.2.7", True),
        ("[::1]:8080", True),
        ("localhost", True),
        ("LOCALHOST:80", True),
        ("show.example", True),
        ("Show.Example.:8080", True),
        ("evil.example", False),
        ("show.example.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("2130706433.nip.io:80", False),
        ("", False),
        ("[::1", False),
        ("user@localhost.evil.example", False),
    ],
)
def test_hosts(host: str, allowed: bool) -> None:
    assert host_allowed(host, {"show.example"}) is allowed


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
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
def test_origins(origin: str | None, host: str, allowed: bool) -> None:
    assert origin_allowed(origin, host, {"https://listed.example"}) is allowed


@given(st.text(), st.text())
def test_nothing_escapes(one: str, other: str) -> None:
    assert host_allowed(one, ()) in (True, False)
    assert origin_allowed(one, other, ()) in (True, False)
    assert isinstance(bearer_token(one), str)


def test_tokens() -> None:
    assert bearer_token("Bearer secret") == bearer_token("bearer  secret ") == "secret"
    assert bearer_token("Bearer %E2%82%AC") == "€"
    assert bearer_token("Basic secret") == bearer_token("secret") == bearer_token("") == ""
