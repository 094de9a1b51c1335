"""Any bytes, in any order, into both ends of a connection: nothing but the documented errors may come out.

    python -m tests.fuzz.protocol --inputs 500000

An input is one packet: decoded alone, and told to a connection that is in the middle of a conversation.
"""

import argparse
import json
import math
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import Progress

from layercast_common.errors import (
    DisconnectedError,
    LocalProtocolError,
    PacketError,
    ProtocolError,
    RemoteProtocolError,
)
from protocol import (
    OutgoingSection,
    Packet,
    ReceiverConnection,
    SenderConnection,
    Sessions,
    decode_packet,
    encode_packet,
)
from protocol.connection.base import Connection
from protocol.connection.states import State
from protocol.receiving.options import ReceiverOptions
from protocol.recovery.path import PathOptions
from protocol.sending.handshake import SenderCredentials
from protocol.wire.limits import MAX_PACKET, Limits
from tests.fuzz.choices import Chance, Dice
from tests.fuzz.packets import hostile_bytes, packet

#: Turns of one conversation, at most.
CONVERSATION = 200

#: Packets that one call may make a connection send, before it counts as endless.
MOST_ANSWERS = 2000


@dataclass(slots=True)
class Tally:
    """What the inputs led to."""

    inputs: int = 0
    conversations: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


def fuzz_decoding(data: bytes, tally: Tally) -> Packet | None:
    """Decode: a packet that can be encoded to what means the same, nothing, or the documented error."""
    try:
        decoded = decode_packet(data)
    except PacketError as error:
        _check_message(error)
        tally.outcomes["malformed"] += 1
        return None
    if decoded is None:
        tally.outcomes["unknown extension"] += 1
    else:
        assert len(data) <= MAX_PACKET
        assert decode_packet(encode_packet(decoded)) == decoded
        tally.outcomes["decoded"] += 1
    return decoded


def fuzz_conversation(dice: Dice, tally: Tally, inputs: int) -> None:
    """Let a sender and a receiver talk, with somebody in between; `inputs` turns at most."""
    tally.conversations += 1
    talk = _Talk(dice, tally)
    for _ in range(inputs):
        talk.turn()
        if talk.over:
            break


class _Talk:
    """A sender and a receiver that mean well, and somebody between them who does not."""

    def __init__(self, dice: Dice, tally: Tally) -> None:
        self._dice = dice
        self._tally = tally
        self._now = 0.0
        #: One packet in so many is not what it was, or comes from nowhere.
        self._malice = dice.pick((2, 10, 50))
        self._limits = Limits(peer_bytes=4096, open_pictures=3)
        self._sessions = Sessions(self._limits)
        self._one_way = dice.one_in(8)
        self._reliable = bool(dice.below(2))
        self._sender = SenderConnection(
            now=0.0,
            resumable=bool(dice.below(2)),
            credentials=SenderCredentials(stream_id=b"fuzz"),
            path=PathOptions(reliable=self._reliable, rate=dice.pick((0.0, 2400.0)), one_way=self._one_way),
        )
        self._receiver = self._new_receiver()
        self._travelling: tuple[deque[bytes], deque[bytes]] = (deque(), deque())

    @property
    def _ends(self) -> tuple[Connection[Any], Connection[Any]]:
        return self._sender, self._receiver

    def _new_receiver(self) -> ReceiverConnection:
        return ReceiverConnection(
            session=self._dice.data(4),
            one_way=self._one_way,
            stream_id=b"fuzz",
            now=self._now,
            options=ReceiverOptions(limits=self._limits, sessions=self._sessions),
        )

    @property
    def over(self) -> bool:
        """Whether there is nobody left to talk to."""
        return all(end.state is State.CLOSED for end in self._ends)

    def turn(self) -> None:
        """One packet in, some time, whatever comes out."""
        self._collect()
        to = self._dice.below(2)
        queue = self._travelling[to]
        genuine = queue.popleft() if queue else None
        data = self._on_the_way(genuine, queue)
        if data is not None:
            self._tally.inputs += 1
            fuzz_decoding(data, self._tally)
            self._tell(self._ends[to], data)
        if genuine is None or self._dice.one_in(8):
            self._now += self._dice.pick((0.001, 0.1, 2.0, 30.0))
        for end in self._ends:
            self._pass_time(end)
        self._act()

    def _on_the_way(self, genuine: bytes | None, queue: deque[bytes]) -> bytes | None:
        """What becomes of a packet: mostly nothing, sometimes anything."""
        if self._dice.one_in(self._malice):
            made = decode_packet(genuine) if genuine and self._dice.below(2) else None
            made = made or packet(self._dice)
            return hostile_bytes(self._dice, made) if self._dice.one_in(3) else _encoded(made)
        if genuine is None:
            return None
        match self._dice.below(16):
            case 0:
                return None
            case 1:
                queue.append(genuine)
                return genuine
            case 2:
                queue.append(genuine)
                return None
            case _:
                return genuine

    def _act(self) -> None:
        """Do what applications would."""
        image = self._dice.below(6)
        try:
            match self._dice.below(30):
                case 0 | 1 | 2:
                    self._offer()
                case 3:
                    self._sender.cancel(image, from_layer=self._dice.below(2))
                case 4:
                    self._receiver.prioritise(self._dice.below(8), picture_id=image)
                case 5:
                    self._receiver.request_sections(image, range(self._dice.below(3)), range(self._dice.below(3)))
                case 6:
                    self._receiver.decline(1 + image, from_layer=self._dice.below(2))
                case 7:
                    self._cut()
                case _:
                    pass
        except LocalProtocolError:
            self._tally.outcomes["asked for in vain"] += 1

    def _offer(self) -> None:
        size = self._dice.pick((0, 1, 100, 3000))
        section = OutgoingSection(
            layer=self._dice.below(3),
            coder=1,
            payload=self._dice.data(size),
            urgency=self._dice.below(8),
            lifetime=self._dice.pick((math.inf, 5.0)),
        )
        deadline = self._now + self._dice.pick((math.inf, 40.0))
        self._sender.offer(b"head", [section] * (1 + self._dice.below(3)), deadline=deadline)

    def _cut(self) -> None:
        """The transport goes away, and another one comes; what travelled is gone."""
        for end in self._ends:
            end.disconnect(self._now)
        self._collect()
        for queue in self._travelling:
            queue.clear()
        self._now += self._dice.pick((0.0, 1.0, 500.0))
        self._sessions.expire(self._now)
        self._receiver = self._new_receiver()
        if self._sender.state is not State.CLOSED:
            self._sender.resume(self._now, PathOptions(mtu=self._dice.pick((1400, 200)), reliable=self._reliable))

    def _tell(self, end: Connection[Any], data: bytes) -> None:
        try:
            end.receive(data, self._now)
        except RemoteProtocolError as error:
            _check_message(error)
            self._tally.outcomes["connection refused"] += 1

    def _pass_time(self, end: Connection[Any]) -> None:
        try:
            end.tick(self._now)
        except RemoteProtocolError:
            self._tally.outcomes["connection given up"] += 1
        except DisconnectedError:
            self._tally.outcomes["connection suspended"] += 1
        wakeup = end.next_wakeup()
        assert wakeup is None or not math.isnan(wakeup)

    def _collect(self) -> None:
        """What both sides say now; and see that they hold no more than they may."""
        for end, queue in zip(self._ends, reversed(self._travelling), strict=True):
            for data in self._said(end):
                assert len(data) <= MAX_PACKET
                assert decode_packet(data) is not None
                queue.append(data)
            for event in end.take_events():
                assert repr(event).isprintable()
        assert self._receiver.held <= self._limits.peer_bytes + self._limits.early_packets * MAX_PACKET

    def _said(self, end: Connection[Any]) -> Iterator[bytes]:
        for _ in range(MOST_ANSWERS):
            data = end.next_packet(self._now)
            if data is None:
                return
            yield data
        raise AssertionError(f"more than {MOST_ANSWERS} packets at one moment")


def _check_message(error: ProtocolError) -> None:
    """It is going to be logged: one line, and nothing in it that a terminal would obey."""
    assert str(error).isprintable()


def _encoded(good: Packet) -> bytes:
    try:
        return encode_packet(good)
    except LocalProtocolError:
        return bytes(MAX_PACKET)


def fuzz(inputs: int, seed: int, tally: Tally, on_progress: Callable[[int], None] = lambda _: None) -> None:
    """Conversations by chance until so many inputs were told."""
    dice = Chance(seed)
    while tally.inputs < inputs:
        before = tally.inputs
        fuzz_conversation(dice, tally, min(CONVERSATION, inputs - before))
        on_progress(tally.inputs - before)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; gives its exit code. What should not escape does, and shows where."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz.protocol",
        description="Fuzz decoding and both ends of a connection.",
        epilog="example: python -m tests.fuzz.protocol --inputs 500000 --seed 7",
    )
    parser.add_argument("--inputs", type=int, default=500_000, help="packets to tell (500000)")
    parser.add_argument("--seed", type=int, default=0, help="decides which (0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    tally, began = Tally(), time.perf_counter()
    with Progress(console=Console(stderr=True), disable=options.json) as progress:
        task = progress.add_task("packets", total=options.inputs)
        fuzz(options.inputs, options.seed, tally, lambda count: progress.advance(task, count))
    report = {
        "inputs": tally.inputs,
        "conversations": tally.conversations,
        "outcomes": dict(tally.outcomes),
        "seconds": round(time.perf_counter() - began, 1),
        "seed": options.seed,
    }
    sys.stdout.write(f"{json.dumps(report) if options.json else _in_words(report)}\n")
    return 0


def _in_words(report: dict[str, Any]) -> str:
    outcomes = ", ".join(f"{count} {name}" for name, count in sorted(report["outcomes"].items()))
    return (
        f"{report['inputs']} packets in {report['conversations']} conversations, {report['seconds']} s, seed "
        f"{report['seed']}: only documented errors; {outcomes}"
    )


if __name__ == "__main__":
    sys.exit(main())
