"""One picture on its way out: what of it was sent, lost, acknowledged and given up."""

import math
from collections.abc import Callable, Iterator, Sequence

from protocol.connection.events import Cost
from protocol.recovery.reed_solomon import repair_pieces
from protocol.sending.fragmentation import LAST_NUMBER, OutgoingSection, cut_picture
from protocol.sending.fragments import Fragment, FragmentTracker, no_repair
from protocol.sending.scheduler import OFFER, Candidate
from protocol.wire.fields import Have, indices_of
from protocol.wire.packets import Data, Offer, Repair
from protocol.wire.seals import CHECKSUM

#: How many repair packets a group deserves: of so many fragments, at an urgency, of a picture of so many packets.
Plan = Callable[[int, int, int], int]

#: At which urgency a layer is sent, if not at its own: (image, layer, its own).
UrgencyOf = Callable[[int, int, int], int]


class OutgoingPicture:
    """A picture's sections, cut for the link, and how far each has come.

    Args:
        number: the picture's number.
        head: opaque header, at most 256 bytes.
        sections: in the stream's order.
        jpeg_size: bytes of a JPEG of the original; 0 if unknown.
        packet: the size that packets should have on this link, in bytes.
        mtu: the size that they must not exceed, in bytes.
        check: bytes of the check behind every packet.
        deadline: when what is left is no longer worth sending, in seconds of the connection's clock.

    Raises:
        LocalProtocolError: the picture breaks a limit of the protocol, or its table does not fit into one packet.
    """

    def __init__(
        self,
        *,
        number: int,
        head: bytes,
        sections: Sequence[OutgoingSection],
        jpeg_size: int,
        packet: int,
        mtu: int,
        check: int = CHECKSUM.size,
        deadline: float = math.inf,
    ) -> None:
        self.number = number
        self._packet = packet
        self.deadline = deadline
        self._cut = cut_picture(
            number=number,
            head=head,
            sections=sections,
            jpeg_size=jpeg_size,
            mortal=not math.isinf(deadline),
            packet=packet,
            mtu=mtu,
            check=check,
        )
        self._began: float | None = None
        self._expiries: dict[int, float] = {}
        self._offer_run = FragmentTracker(1)
        self._runs = {index: FragmentTracker(count) for index, count in self._cut.counts.items()}
        # The sections that were given up, and the receiver does not know.
        self._unheard = 0
        self._told: set[int] = set()
        self._packets = 0
        self._total = 0
        self._section_bytes = [0] * len(sections)

    @property
    def sections(self) -> tuple[OutgoingSection, ...]:
        """What it consists of."""
        return self._cut.sections

    @property
    def size(self) -> int:
        """Bytes of its sections."""
        return sum(len(section.payload) for section in self.sections)

    @property
    def largest_packet(self) -> int:
        """The largest packet that it may need, in bytes."""
        return self._cut.largest

    @property
    def packet_size(self) -> int:
        """The size that its packets were cut to, in bytes."""
        return self._packet

    @property
    def offered(self) -> bool:
        """Whether its OFFER has left, or the receiver had it before."""
        return self._offer_run.begun or self._offer_run.done

    @property
    def done(self) -> bool:
        """Whether the receiver holds every section that was not given up, and knows which were."""
        return (
            self._offer_run.done and not self._unheard and all(run.done or run.dropped for run in self._runs.values())
        )

    @property
    def dropped(self) -> tuple[int, ...]:
        """The sections that were given up before the receiver held them."""
        return tuple(index for index, run in self._runs.items() if run.dropped and not run.done)

    @property
    def cost(self) -> Cost:
        """What the picture has cost on the wire so far."""
        return Cost(packets=self._packets, total=self._total, sections=tuple(self._section_bytes))

    def start(self, now: float) -> None:
        """Let its time begin, if it has not."""
        if self._began is None:
            self._began = now
            lifetimes = ((index, section.lifetime) for index, section in enumerate(self.sections))
            self._expiries = {index: now + lifetime for index, lifetime in lifetimes if not math.isinf(lifetime)}

    def mask_from(self, layer: int) -> int:
        """The sections of the layers from one on, bit i for section i."""
        return sum(1 << index for index, section in enumerate(self.sections) if section.layer >= layer)

    def offer(self, pn: int) -> Offer:
        """The OFFER packet under a packet number."""
        plain = self._cut.offer
        return Offer(
            pn=pn,
            image=plain.image,
            head=plain.head,
            fragment_size=plain.fragment_size,
            sections=plain.sections,
            inline=plain.inline,
            jpeg_size=plain.jpeg_size,
            lifetime=self._lifetime_ms() if plain.lifetime else 0,
        )

    def data(self, pn: int, section: int, fragment: int) -> Data:
        """A DATA packet under a packet number."""
        payload = self._cut.fragment(section, fragment)
        return Data(pn=pn, image=self.number, section=section, fragment=fragment, payload=payload)

    def repair(self, pn: int, section: int, fragment: int, repair: int) -> Repair:
        """A REPAIR packet under a packet number: of the group that a fragment is in, its `repair`th."""
        number, group = self._runs[section].group_of(fragment)
        pieces = [self._cut.fragment(section, one) for one in group]
        (payload,) = repair_pieces(pieces, 1, first=repair - 1)
        return Repair(pn=pn, image=self.number, section=section, group=number, index=repair - 1, payload=payload)

    def candidates(self, plan: Plan | None = None, urgency_of: UrgencyOf | None = None) -> Iterator[Candidate]:
        """Each run's next packet. Nothing leaves before the OFFER has left once."""
        urgencies = [
            section.urgency if urgency_of is None else urgency_of(self.number, section.layer, section.urgency)
            for section in self.sections
        ]
        first = min(urgencies)
        packets = 1 + sum(self._cut.counts.values())
        piece = self._offer_run.next(no_repair if plan is None else _at(plan, first, packets))
        if piece is not None:
            yield self._candidate(OFFER, piece, first)
        if not self.offered:
            return
        for index, run in self._runs.items():
            urgency = urgencies[index]
            piece = run.next(no_repair if plan is None else _at(plan, urgency, packets))
            if piece is not None:
                yield self._candidate(index, piece, urgency)

    def sent(self, candidate: Candidate, size: int) -> None:
        """Note that a packet of `size` bytes left."""
        section = candidate.section
        self._run(section).sent(Fragment(candidate.fragment, candidate.retransmit, candidate.repair))
        self._packets += 1
        self._total += size
        if section == OFFER:
            for index in self._cut.inline:
                self._section_bytes[index] += len(self.sections[index].payload)
        else:
            self._section_bytes[section] += size

    def lost(self, section: int, fragment: int) -> None:
        """Note that a packet must be sent again, unless its content has arrived otherwise."""
        self._run(section).lost(fragment)

    def arrived(self, section: int, fragment: int) -> list[int]:
        """Note that a packet arrived; gives the sections that are complete by it, each once."""
        self._run(section).arrived([fragment])
        return self._newly_done()

    def arrived_whole(self, mask: int) -> list[int]:
        """Note the receiver's word on complete sections, bit i for section i; gives those that are news, each once."""
        if mask:
            self._offer_run.finish()
        for index, run in self._runs.items():
            if mask >> index & 1:
                run.finish()
        return self._newly_done()

    def learn(self, have: Have) -> list[int]:
        """Note what the receiver holds of it from before; gives the sections that are news, each once.

        Of a picture that was cut otherwise, only whole sections are of use, and it must be offered again.
        """
        if have.fragment_size in (0, self._cut.offer.fragment_size):
            self._offer_run.finish()
            for part in have.parts:
                if part.section in self._runs:
                    self._runs[part.section].arrived(indices_of(part.fragments))
        for index, run in self._runs.items():
            if have.sections >> index & 1:
                run.finish()
        return self._newly_done()

    def restart(self) -> int:
        """Note that nobody knows what arrived, or was heard to be given up; gives the latter, bit i for section i."""
        for run in (self._offer_run, *self._runs.values()):
            run.restart()
        self._unheard = sum(1 << index for index in self.dropped)
        return self._unheard

    def recut(self, *, packet: int, mtu: int, check: int) -> None:
        """Cut what is left anew, for a link with smaller packets.

        Raises:
            LocalProtocolError: that is not possible.
        """
        offer = self._cut.offer
        self._packet = packet
        self._cut = cut_picture(
            number=self.number,
            head=offer.head,
            sections=self.sections,
            jpeg_size=offer.jpeg_size,
            mortal=not math.isinf(self.deadline),
            packet=packet,
            mtu=mtu,
            check=check,
        )
        self._offer_run = FragmentTracker(1)
        given_up = self.dropped
        self._runs = {index: FragmentTracker(count) for index, count in self._cut.counts.items()}
        for index in set(given_up) & self._runs.keys():
            self._runs[index].dropped = True

    def want(self, mask: int, fragments: bytes) -> None:
        """Note what the receiver asks for: sections, or some fragments of one, or with none of these the OFFER."""
        if not mask:
            self._offer_run.want(None)
        asked = indices_of(fragments) if fragments else None
        for index, run in self._runs.items():
            if mask >> index & 1:
                run.want(asked)

    def drop(self, mask: int, *, heard: bool = False) -> int:
        """Give up sections, as far as the receiver does not hold them; gives those, bit i for section i.

        Unless it was the receiver's wish, the picture is not done before the receiver has heard of it.
        """
        dropped = 0
        for index, run in self._runs.items():
            if mask >> index & 1 and not run.done and not run.dropped:
                run.dropped = True
                dropped |= 1 << index
        if not heard:
            self._unheard |= dropped
        return dropped

    def heard(self, mask: int) -> None:
        """Note that the receiver knows that sections will not come."""
        self._unheard &= ~mask

    def expired(self, now: float) -> int:
        """The sections whose time is over, bit i for section i."""
        return sum(1 << index for index, expiry in self._expiries.items() if now >= expiry)

    def next_expiry(self) -> float:
        """When time takes something of it next, in seconds."""
        open_sections = (
            expiry
            for index, expiry in self._expiries.items()
            if index in self._runs and not (self._runs[index].done or self._runs[index].dropped)
        )
        return min(open_sections, default=math.inf)

    def _candidate(self, section: int, piece: Fragment, urgency: int) -> Candidate:
        return Candidate(
            urgency=urgency,
            image=self.number,
            retransmit=piece.again,
            incremental=section != OFFER and self.sections[section].incremental,
            section=section,
            fragment=piece.fragment,
            repair=piece.repair,
        )

    def _run(self, section: int) -> FragmentTracker:
        return self._offer_run if section == OFFER else self._runs[section]

    def _lifetime_ms(self) -> int:
        assert self._began is not None, "a picture is started before it is offered"
        return min(LAST_NUMBER, max(1, math.ceil(1000 * (self.deadline - self._began))))

    def _newly_done(self) -> list[int]:
        if not self._offer_run.done:
            return []
        complete = (index for index in range(len(self.sections)) if index not in self._runs or self._runs[index].done)
        news = [index for index in complete if index not in self._told]
        self._told.update(news)
        return news


def _at(plan: Plan, urgency: int, packets: int) -> Callable[[int], int]:
    return lambda size: plan(size, urgency, packets)
