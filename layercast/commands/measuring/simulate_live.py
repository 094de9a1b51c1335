"""The work of `layercast simulate --live`: a simulated link between real programs."""

import argparse
import asyncio
from dataclasses import replace
from urllib.parse import urlsplit

from evaluation.simulation.links.profiles import named_link
from evaluation.simulation.live.api import LiveApi
from evaluation.simulation.live.proxy import LiveLink, check_target
from layercast.commands.options.values import host_and_port
from layercast.console import report, say
from layercast.signals import run_loop, run_until_terminated
from layercast_common.errors import UsageError
from layercast_common.http.server import open_socket, quiet_server, serving, url_of


def run_live(options: argparse.Namespace) -> None:
    """Put the link between senders and a receiver until Ctrl-C.

    Raises:
        UsageError: an address or the link is wrong.
        ConnectError: there is no receiver.
        ListenError: an address is in use.
    """
    names = (options.link or "iridium").split(",")
    if len(names) != 1:
        raise UsageError("a live link is one link")
    named_link(names[0])
    parts = urlsplit(options.to or "")
    if parts.scheme not in ("ws", "mqtt", "http", "tcp") or parts.hostname is None or parts.port is None:
        raise UsageError("a live link needs the receiver's address: --to ws://HOST:PORT (or mqtt, http, tcp)")
    run_loop(run_until_terminated(_run(options, names[0], parts.scheme, (parts.hostname, parts.port))))


async def _run(options: argparse.Namespace, name: str, scheme: str, target: tuple[str, int]) -> None:
    await check_target(target)
    listen = host_and_port(options.listen)
    api_listener = await open_socket(*host_and_port(options.api), option="--api")
    link = named_link(name)
    # TCP keeps the order of everything.
    live = LiveLink(replace(link, mtu=max(link.mtu, 576)), target=target, listen=listen)
    async with live:
        api = LiveApi(live, {"profile": name, "mtu": live.link.mtu})
        addresses = {"url": f"{scheme}://{listen[0]}:{live.port}", "api": url_of(api_listener)}
        if options.json:
            report(addresses)
        else:
            say(f"send to {addresses['url']}; change the link at {addresses['api']}", quiet=options.quiet)
        async with serving(quiet_server(api.application(), api_listener), api_listener, on_end=lambda: None):
            await asyncio.Event().wait()
