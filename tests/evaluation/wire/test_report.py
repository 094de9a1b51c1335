"""The wire's figures, small: that each is measured on what it says, and that the bars can be missed."""

import dataclasses
import time

import pytest

from evaluation.wire.greeting import count_greeting
from evaluation.wire.links.bottleneck import Bottleneck
from evaluation.wire.links.interfaces import kernel_missing
from evaluation.wire.many_senders import IdleReport, RushReport, measure_idle, measure_rush
from evaluation.wire.overtaking import OvertakingReport, TransferRun, measure_overtaking
from evaluation.wire.packets import GREETING_BAR, measure_packets
from evaluation.wire.report import WireReport
from protocol.transports.addresses import open_listener, open_transport
from protocol.transports.base import Transport


async def test_a_bottleneck_takes_its_time() -> None:
    arrived: list[float] = []

    async def take(transport: Transport) -> None:
        for _ in range(2):
            await transport.recv()
            arrived.append(time.monotonic())
        await transport.send(b"back")

    listener = await open_listener("ws://127.0.0.1:0", take)
    async with Bottleneck(listener.url, rate=80_000, delay=0.05) as bottleneck:
        transport = await open_transport(bottleneck.url)
        began = time.monotonic()
        for _ in range(2):
            await transport.send(bytes(1000))
        assert await transport.recv() == b"back"
        # 1,000 bytes and their frame at 80,000 bit/s, and the way: never sooner.
        assert [at - began >= least for at, least in zip(arrived, (0.15, 0.25), strict=True)] == [True, True]
        assert time.monotonic() - began >= 0.3
        assert bottleneck.there.count(bytes(8)) == 0, "what a client sends is masked"
        await transport.close()
    await listener.close()


async def test_a_greeting_is_counted_on_the_socket() -> None:
    assert 40 < await count_greeting() <= GREETING_BAR


async def test_idle_sessions_cost_something() -> None:
    report = await measure_idle(20)
    assert report.sessions == 20
    assert 1000 < report.bytes_each < 200_000


async def test_a_small_rush() -> None:
    report = await measure_rush(8, 2)
    assert (report.pictures, report.complete, report.dropped) == (16, 16, 0)
    assert 0 < report.median <= report.slowest <= report.seconds


@pytest.mark.parametrize("kernel", [False, True])
async def test_an_urgent_text_overtakes(kernel: bool) -> None:
    if kernel and (reason := kernel_missing()):
        pytest.skip(reason)
    report = await measure_overtaking(queued=6000, rate=38_400, delay=0.02, kernel=kernel)
    assert report.ours.urgent < report.fifo.urgent
    assert report.ours.whole > report.ours.urgent
    assert report.bound > report.round_trip
    assert (report.link == "user space") is not kernel


def test_the_bars_tell_what_is_missed() -> None:
    run = TransferRun(urgent=0.5, whole=10.0)
    overtaking = OvertakingReport(
        link="user space",
        rate=9600,
        queued=9,
        round_trip=0.1,
        window=600,
        packet=300,
        ours=run,
        fifo=run,
        bound=1.0,
        whole_ratio=1.0,
    )
    report = WireReport(
        packets=dataclasses.replace(measure_packets(), packets_per_second=1e6),
        greeting=80,
        idle=IdleReport(sessions=9, bytes_each=9000),
        rush=RushReport(sessions=2, pictures=4, complete=4, dropped=0, seconds=1.0, median=1.0, slowest=1.0),
        overtaking=(overtaking,),
        kernel_missing=None,
        links=(),
    )
    assert [bar.what for bar in report.bars if not bar.met] == []
    worse = dataclasses.replace(
        report,
        greeting=91,
        rush=dataclasses.replace(report.rush, dropped=1, complete=3, slowest=9.0),
        overtaking=(dataclasses.replace(overtaking, whole_ratio=1.5, bound=0.4),),
    )
    assert [bar.what for bar in worse.bars if not bar.met] == [
        "greeting until the first OFFER, bytes",
        "dropped of 2 senders at once",
        "pictures of 4 that did not arrive",
        "slowest sender's time over the middle one's",
        "urgent text, user space, s",
        "all, user space, over a plain sender's",
    ]
