"""The HTTP interface of a live link: its state, changes while it runs, and a page with sliders.

GET  /link    the link's values and the counters
POST /link    {"rate": 2400, "loss": 0.05, "down": false, ...}: the keys of a link in a scenario file, and "down"; a
              "profile" replaces all values
POST /cut     breaks all connections
"""

from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from evaluation.simulation.links.model import LinkDirection
from evaluation.simulation.links.profiles import SIMULATED_LINKS
from evaluation.simulation.live.proxy import LiveLink
from evaluation.simulation.scenario.link_tables import link_of
from layercast_common.errors import LayercastError, UsageError
from layercast_common.http.guard import AccessGuard, AccessPolicy
from layercast_common.nested_text import parse_json

#: The most bytes of a request's body.
MAX_BODY = 16 * 1024

_HEADERS = {
    "content-security-policy": "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data:",
    "cache-control": "no-store",
}


class LiveApi:
    """The application.

    Args:
        live: the link.
        table: the link's table, to which changes are added.
    """

    def __init__(self, live: LiveLink, table: dict[str, Any]) -> None:
        self._live = live
        self._table = dict(table)

    def application(self) -> AccessGuard:
        """Return the ASGI application; it refuses other sites' pages."""
        routes = [
            Route("/", self._page),
            Route("/link", self._show),
            Route("/link", self._change, methods=["POST"]),
            Route("/cut", self._break, methods=["POST"]),
        ]
        return AccessGuard(Starlette(routes=routes), AccessPolicy())

    def state(self) -> dict[str, Any]:
        """Return the link's values and the counters."""
        link = self._live.link
        return {
            "link": link.name,
            "links": sorted(SIMULATED_LINKS),
            "down": self._live.down,
            "there": _values(link.there),
            "back": _values(link.back),
            "counters": asdict(self._live.counters),
        }

    async def _page(self, _: Request) -> Response:
        page = files("evaluation.simulation.live").joinpath("static", "live.html").read_text(encoding="utf-8")
        return HTMLResponse(page, headers=_HEADERS)

    async def _show(self, _: Request) -> Response:
        return JSONResponse(self.state(), headers={"cache-control": "no-store"})

    async def _change(self, request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MAX_BODY:
                return JSONResponse({"error": f"a change has at most {MAX_BODY} bytes"}, 413)
        try:
            self.change(parse_json(body))
        except ValueError as error:
            text = str(error) if isinstance(error, UsageError) else "the body is no JSON object"
            return JSONResponse({"error": text}, 400)
        except LayercastError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse(self.state())

    def change(self, changes: Any) -> None:
        """Change the link.

        Args:
            changes: keys of a link's table, and "down".

        Raises:
            UsageError: a key or value is wrong; nothing changes then.
        """
        if not isinstance(changes, dict):
            raise UsageError('a change is a JSON object, such as {"rate": 2400}')
        if "trace" in changes:
            raise UsageError("a trace is a file; give it when the link is started")
        changes = dict(changes)
        down = changes.pop("down", self._live.down)
        if not isinstance(down, bool):
            raise UsageError("down is true or false")
        losses = ("loss", "gemodel", "state")
        replaced = losses if any(key in changes for key in losses) else ()
        table = {key: value for key, value in self._table.items() if key not in replaced} | changes
        if "profile" in changes:
            # Packets keep their size: programs on both sides have been given it.
            table = {"mtu": self._live.link.mtu} | changes
        link = link_of(str(changes.get("profile", self._live.link.name)), table, Path())
        self._table = table
        self._live.link = link
        self._live.down = down

    def cut(self) -> None:
        """Break all connections."""
        self._live.cut()

    async def _break(self, _: Request) -> Response:
        self.cut()
        return JSONResponse(self.state())


def _values(direction: LinkDirection) -> dict[str, Any]:
    names = ("rate", "delay", "jitter", "duplicate", "corrupt", "limit", "duty_cycle")
    return {name: getattr(direction, name) for name in names} | {"loss": direction.loss.mean}
