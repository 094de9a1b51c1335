"""The policy that all connections of one receiver share."""

from dataclasses import dataclass, field

from protocol.receiving.reassembly import Held, holds_nothing
from protocol.receiving.sessions import Sessions
from protocol.wire.limits import Limits
from protocol.wire.seals import Sealing
from protocol.wire.tokens import Admit


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverOptions:
    """The policy of a receiver.

    Attributes:
        admit: decides whether to accept a HELLO; accepts every sender by default.
        limits: bounds on what a sender may make this side hold or wait for.
        held: returns which pictures the application has already; they are acknowledged and emit no event.
        sessions: stores the sessions that lost their transport; by default none are kept.
        key: seals the packets; with checksums by default, which suffice under TLS or on one machine.
    """

    admit: Admit | None = None
    limits: Limits = field(default_factory=Limits)
    held: Held = holds_nothing
    sessions: Sessions = field(default_factory=lambda: Sessions(Limits(resume_seconds=0)))
    key: Sealing | None = None
