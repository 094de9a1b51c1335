"""HTTP requests for fuzzing: routes of the page and the gateway, with odd methods, queries, headers and bodies."""

import json

from tests.fuzz.choices import Choices

#: Routes of the receiver's page.
PAGE = (
    "/", "/show", "/qr.svg", "/healthz", "/metrics", "/login", "/live", "/api/pictures", "/api/archive",
    "/api/pictures/{name}", "/api/pictures/{name}/frame.webp", "/api/pictures/{name}/images/{name}.webp",
    "/api/pictures/{name}/arrival", "/api/pictures/{name}/structure.png", "/api/pictures/{name}/picture.png",
    "/control/pictures/{name}/redraw", "/control/link", "/control/link/cut", "/control/pictures/{name}/original",
    "/control/images", "/static/{name}", "/{name}",
)  # fmt: skip

#: Routes of the sender's gateway.
GATEWAY = (
    "/images",
    "/images",
    "/images",
    "/images/{name}",
    "/images/{name}/events",
    "/healthz",
    "/metrics",
    "/{name}",
)

_METHODS = ("GET", "GET", "POST", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "G\tT")
_NAMES = (
    "a", "1", "0", "-1", "9" * 30, "..", "%2e%2e", "%00", "a%0d%0ab", "%ff%fe", "%F0%9F%98%80", "x" * 129, ".lock",
    "..%2f..%2fetc%2fpasswd",
)  # fmt: skip
_KEYS = (
    "q", "limit", "before", "after", "token", "prompt", "layers", "layer", "size", "name", "deadline", "budget",
    "seed", "priority", "since",
)  # fmt: skip
_VALUES = (
    "", "-1", "0", "nan", "inf", "1e400", "9" * 25, "%00", "%ff", "%F0%9F", "%0a", "a" * 5000, "semantic", "x",
)  # fmt: skip
_HEADERS = (
    (
        "Content-Type",
        ("application/json", "image/png", "multipart/form-data", "multipart/form-data; boundary=", "\xff"),
    ),
    ("Origin", ("http://evil.example", "null", "http://127.0.0.1")),
    ("Cookie", ("a=b", "session=\0", "=" * 100)),
    ("Range", ("bytes=0-", "bytes=-1", "bytes=9-1")),
    ("If-None-Match", ("*", '"x"', "W/")),
    ("Accept-Encoding", ("gzip", "br;q=x")),
    ("Authorization", ("Bearer x", "Bearer", "Basic ====", "\xe9")),
    ("Last-Event-ID", ("-1", "9" * 25, "x")),
    ("Idempotency-Key", ("", "a" * 500, "\xff")),
    ("Upgrade", ("websocket", "h2c")),
    ("Expect", ("100-continue", "x")),
    ("Sec-Fetch-Site", ("cross-site", "same-origin")),
    ("X-Forwarded-For", ("192.0.2.1", "x", "::")),
)
_FIELDS = ("layers", "prompt", "seed", "steps", "rate", "loss", "profile", "down", "order", "a")


def request(choices: Choices, routes: tuple[str, ...], port: int) -> bytes:
    """Return the bytes of one request, from head to body."""
    target = choices.pick(routes).replace("{name}", choices.pick(_NAMES))
    if choices.one_in(2):
        target += f"?{choices.pick(_KEYS)}={choices.pick(_VALUES)}&{choices.pick(_KEYS)}={choices.pick(_VALUES)}"
    body = _body(choices)
    own = f"127.0.0.1:{port}"
    headers = [("Host", choices.pick((own, own, own, own, "localhost", "evil.example", "", "[::1]", "a b")))]
    headers += _framing(choices, len(body))
    headers += [(name, choices.pick(values)) for name, values in _HEADERS if choices.one_in(4)]
    head = f"{choices.pick(_METHODS)} {target} HTTP/1.1\r\n" + "".join(f"{name}: {text}\r\n" for name, text in headers)
    return head.encode("latin-1") + b"\r\n" + body


def _framing(choices: Choices, size: int) -> list[tuple[str, str]]:
    """Return the headers that say how long the body is: mostly right, else too long, too short, or nonsense."""
    match choices.below(10):
        case 0:
            return [("Content-Length", str(size + 1 + choices.below(50)))]
        case 1:
            return [("Content-Length", str(max(0, size - 3)))]
        case 2:
            return [("Content-Length", choices.pick(("-1", "1e3", "", "9" * 30)))]
        case 3:
            return [("Transfer-Encoding", "chunked")]
        case 4:
            return [("Content-Length", str(size)), ("Transfer-Encoding", "chunked")]
        case _:
            return [("Content-Length", str(size))]


def _body(choices: Choices) -> bytes:
    match choices.below(8):
        case 0:
            return b""
        case 1:
            return choices.data(choices.below(200))
        case 2:
            return b"[" * choices.pick((10, 1000, 15_000))
        case 3:
            return b'{"rate": NaN, "seed": 1e999}'
        case 4:
            return b"\x89PNG\r\n\x1a\n" + choices.data(80)
        case 5:
            return b"5\r\nhello\r\n0\r\n\r\n"
        case _:
            return json.dumps({choices.pick(_FIELDS): _value(choices) for _ in range(choices.below(4))}).encode()


def _value(choices: Choices, depth: int = 0) -> object:
    if depth < 3 and choices.one_in(4):
        return [_value(choices, depth + 1) for _ in range(choices.below(4))]
    if depth < 3 and choices.one_in(6):
        return {choices.pick(_FIELDS): _value(choices, depth + 1)}
    numbers = (0, -1, 1, 2**31, 2**63, 2**64, 10**30, 0.5, 1e308)
    return choices.pick((None, True, *numbers, "", "x" * 300, "semantic", "gsm", "NaN", "\u2028"))
