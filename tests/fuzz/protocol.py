"""Fuzz both ends of a connection with any bytes in any order: only documented errors may be raised.

    python -m tests.fuzz.protocol --inputs 500000

An input is one packet. It is decoded alone, and received by a connection in the middle of a conversation.
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
from tests.fuzz.choices import Choices, RandomChoices
from tests.fuzz.packets import hostile_bytes, packet

#: Most turns of one conversation.
CONVERSATION = 200

#: Most packets that one call may make a connection send.
MOST_ANSWERS = 2000


@dataclass(slots=True)
class Tally:
    """Results of a fuzzing run."""

    inputs: int = 0
    conversations: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)


def fuzz_decoding(data: bytes, tally: Tally) -> Packet | None:
    """Decode bytes to a packet that round-trips, to None, or to the documented error."""
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


def fuzz_conversation(choices: Choices, tally: Tally, inputs: int) -> None:
    """Let a sender and a receiver exchange packets through an attacker, for at most `inputs` turns."""
    tally.conversations += 1
    conversation = _Conversation(choices, tally)
    for _ in range(inputs):
        conversation.turn()
        if conversation.over:
            break


class _Conversation:
    """A correct sender and receiver with an attacker between them."""

    def __init__(self, choices: Choices, tally: Tally) -> None:
        self._choices = choices
        self._tally = tally
        self._now = 0.0
        #: The attacker changes or injects one packet in this many.
        self._attack_rate = choices.pick((2, 10, 50))
        self._limits = Limits(peer_bytes=4096, open_pictures=3)
        self._sessions = Sessions(self._limits)
        self._one_way = choices.one_in(8)
        self._reliable = bool(choices.below(2))
        self._sender = SenderConnection(
            now=0.0,
            resumable=bool(choices.below(2)),
            credentials=SenderCredentials(stream_id=b"fuzz"),
            path=PathOptions(reliable=self._reliable, rate=choices.pick((0.0, 2400.0)), one_way=self._one_way),
        )
        self._receiver = self._new_receiver()
        self._in_flight: tuple[deque[bytes], deque[bytes]] = (deque(), deque())

    @property
    def _ends(self) -> tuple[Connection[Any], Connection[Any]]:
        return self._sender, self._receiver

    def _new_receiver(self) -> ReceiverConnection:
        return ReceiverConnection(
            session=self._choices.data(4),
            one_way=self._one_way,
            stream_id=b"fuzz",
            now=self._now,
            options=ReceiverOptions(limits=self._limits, sessions=self._sessions),
        )

    @property
    def over(self) -> bool:
        """Whether the conversation is over."""
        return all(end.state is State.CLOSED for end in self._ends)

    def turn(self) -> None:
        """Deliver one packet, advance the clock, and process the output."""
        self._collect()
        to = self._choices.below(2)
        queue = self._in_flight[to]
        genuine = queue.popleft() if queue else None
        data = self._attack(genuine, queue)
        if data is not None:
            self._tally.inputs += 1
            fuzz_decoding(data, self._tally)
            self._deliver(self._ends[to], data)
        if genuine is None or self._choices.one_in(8):
            self._now += self._choices.pick((0.001, 0.1, 2.0, 30.0))
        for end in self._ends:
            self._pass_time(end)
        self._act()

    def _attack(self, genuine: bytes | None, queue: deque[bytes]) -> bytes | None:
        """Return a packet after the attacker: mostly unchanged."""
        if self._choices.one_in(self._attack_rate):
            made = decode_packet(genuine) if genuine and self._choices.below(2) else None
            made = made or packet(self._choices)
            return hostile_bytes(self._choices, made) if self._choices.one_in(3) else _encoded(made)
        if genuine is None:
            return None
        match self._choices.below(16):
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
        """Make the calls of an application."""
        image = self._choices.below(6)
        try:
            match self._choices.below(30):
                case 0 | 1 | 2:
                    self._offer()
                case 3:
                    self._sender.cancel(image, from_layer=self._choices.below(2))
                case 4:
                    self._receiver.prioritise(self._choices.below(8), picture_id=image)
                case 5:
                    self._receiver.request_sections(image, range(self._choices.below(3)), range(self._choices.below(3)))
                case 6:
                    self._receiver.decline(1 + image, from_layer=self._choices.below(2))
                case 7:
                    self._cut()
                case _:
                    pass
        except LocalProtocolError:
            self._tally.outcomes["refused by the connection"] += 1

    def _offer(self) -> None:
        size = self._choices.pick((0, 1, 100, 3000))
        section = OutgoingSection(
            layer=self._choices.below(3),
            coder=1,
            payload=self._choices.data(size),
            urgency=self._choices.below(8),
            lifetime=self._choices.pick((math.inf, 5.0)),
        )
        deadline = self._now + self._choices.pick((math.inf, 40.0))
        self._sender.offer(b"head", [section] * (1 + self._choices.below(3)), deadline=deadline)

    def _cut(self) -> None:
        """Replace the transport by a new one; packets in flight are lost."""
        for end in self._ends:
            end.disconnect(self._now)
        self._collect()
        for queue in self._in_flight:
            queue.clear()
        self._now += self._choices.pick((0.0, 1.0, 500.0))
        self._sessions.expire(self._now)
        self._receiver = self._new_receiver()
        if self._sender.state is not State.CLOSED:
            self._sender.resume(self._now, PathOptions(mtu=self._choices.pick((1400, 200)), reliable=self._reliable))

    def _deliver(self, end: Connection[Any], data: bytes) -> None:
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
        """Collect the output of both sides, and check their memory limits."""
        for end, queue in zip(self._ends, reversed(self._in_flight), strict=True):
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
    """Check that a message can be logged: one line without control characters."""
    assert str(error).isprintable()


def _encoded(good: Packet) -> bytes:
    try:
        return encode_packet(good)
    except LocalProtocolError:
        return bytes(MAX_PACKET)


def fuzz(inputs: int, seed: int, tally: Tally, on_progress: Callable[[int], None] = lambda _: None) -> None:
    """Run random conversations until `inputs` packets were delivered."""
    choices = RandomChoices(seed)
    while tally.inputs < inputs:
        before = tally.inputs
        fuzz_conversation(choices, tally, min(CONVERSATION, inputs - before))
        on_progress(tally.inputs - before)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code. Unexpected errors propagate with their traceback."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz.protocol",
        description="Fuzz decoding and both ends of a connection.",
        epilog="example: python -m tests.fuzz.protocol --inputs 500000 --seed 7",
    )
    parser.add_argument("--inputs", type=int, default=500_000, help="number of packets (500000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the conversations (0)")
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
    sys.stdout.write(f"{json.dumps(report) if options.json else _summarize(report)}\n")
    return 0


def _summarize(report: dict[str, Any]) -> str:
    outcomes = ", ".join(f"{count} {name}" for name, count in sorted(report["outcomes"].items()))
    return (
        f"{report['inputs']} packets in {report['conversations']} conversations, {report['seconds']} s, seed "
        f"{report['seed']}: only documented errors; {outcomes}"
    )


if __name__ == "__main__":
    sys.exit(main())
