"""The delivery state of one outgoing picture: sent, lost, acknowledged and cancelled parts."""

from collections.abc import Callable, Iterator

from protocol.connection.events import Cost
from protocol.recovery.window import PacketSizes
from protocol.sending.pictures.fragmentation import OutgoingSection, PictureToSend, fragment_picture
from protocol.sending.pictures.fragments import Fragment, FragmentTracker, RepairPolicy, no_repair
from protocol.sending.pictures.lifetimes import Lifetimes
from protocol.sending.scheduler import OFFER, Candidate
from protocol.wire.fields import Have, indices_of
from protocol.wire.packets import Data, Offer, Repair

#: Returns how many repair packets a group gets: (its fragments, its urgency, packets of the picture).
RepairCount = Callable[[int, int, int], int]

#: Returns the urgency of a layer: (picture_id, layer, the sender's urgency).
UrgencyOf = Callable[[int, int, int], int]


class OutgoingPicture:
    """A picture fragmented for the link, and the delivery state of its sections.

    Args:
        picture: the picture.
        sizes: the packet sizes of the link.

    Attributes:
        picture: as above.
        fragmented: the picture as fragmented for the link.
        lifetimes: when parts of it expire.

    Raises:
        LocalProtocolError: the packets are too small for the picture or its section table.
    """

    def __init__(self, picture: PictureToSend, sizes: PacketSizes) -> None:
        self.picture = picture
        self.lifetimes = Lifetimes(picture)
        self.fragmented = fragment_picture(picture, sizes)
        self._offer_tracker = FragmentTracker(1)
        self._trackers = {index: FragmentTracker(count) for index, count in self.fragmented.counts.items()}
        # Dropped sections whose CANCEL the receiver has not acknowledged, bit i for section i.
        self._unannounced = 0
        self._reported: set[int] = set()
        self._packets = 0
        self._total = 0
        self._section_bytes = [0] * len(picture.sections)

    @property
    def picture_id(self) -> int:
        """The picture's number."""
        return self.picture.picture_id

    @property
    def sections(self) -> tuple[OutgoingSection, ...]:
        """The picture's sections."""
        return self.picture.sections

    @property
    def offered(self) -> bool:
        """Whether the OFFER was sent, or the receiver holds it already."""
        return self._offer_tracker.begun or self._offer_tracker.done

    @property
    def done(self) -> bool:
        """Whether the receiver holds every section that is not dropped, and knows which are dropped."""
        delivered = all(tracker.done or tracker.dropped for tracker in self._trackers.values())
        return self._offer_tracker.done and not self._unannounced and delivered

    @property
    def dropped(self) -> tuple[int, ...]:
        """The sections that were dropped before the receiver held them."""
        return tuple(index for index, tracker in self._trackers.items() if tracker.dropped and not tracker.done)

    @property
    def cost(self) -> Cost:
        """The cost of the picture on the wire so far."""
        return Cost(packets=self._packets, total=self._total, sections=tuple(self._section_bytes))

    def mask_from(self, layer: int) -> int:
        """Return the sections of a layer and of all later layers, bit i for section i."""
        return sum(1 << index for index, section in enumerate(self.sections) if section.layer >= layer)

    def packet(self, candidate: Candidate, pn: int) -> Offer | Data | Repair:
        """Return the packet of a candidate, with a packet number."""
        section, fragment = candidate.section, candidate.fragment
        if section == OFFER:
            return self.fragmented.offer_packet(pn, self.lifetimes.milliseconds())
        if candidate.repair:
            group = self._trackers[section].group_of(fragment)
            return self.fragmented.repair_packet(pn, section, group, candidate.repair - 1)
        return self.fragmented.data_packet(pn, section, fragment)

    def candidates(
        self, repair_count: RepairCount | None = None, urgency_of: UrgencyOf | None = None
    ) -> Iterator[Candidate]:
        """Yield the next packet of the OFFER and of each section. The OFFER precedes all sections.

        Args:
            repair_count: the repair policy; no repair by default.
            urgency_of: overrides the urgencies.
        """
        urgencies = [
            section.urgency if urgency_of is None else urgency_of(self.picture_id, section.layer, section.urgency)
            for section in self.sections
        ]
        first = min(urgencies)
        fragment = self._offer_tracker.next_fragment(self._repair_policy(repair_count, first))
        if fragment is not None:
            yield self._candidate(OFFER, fragment, first)
        if not self.offered:
            return
        for index, tracker in self._trackers.items():
            fragment = tracker.next_fragment(self._repair_policy(repair_count, urgencies[index]))
            if fragment is not None:
                yield self._candidate(index, fragment, urgencies[index])

    def on_packet_sent(self, candidate: Candidate, size: int) -> None:
        """Advance past a candidate that was sent in a packet of `size` bytes, and add its cost."""
        section = candidate.section
        fragment = Fragment(candidate.fragment, candidate.retransmit, candidate.repair)
        self._tracker(section).on_packet_sent(fragment)
        self._packets += 1
        self._total += size
        if section == OFFER:
            for index in self.fragmented.inline:
                self._section_bytes[index] += len(self.sections[index].payload)
        else:
            self._section_bytes[section] += size

    def on_packet_lost(self, section: int, fragment: int) -> None:
        """Schedule a retransmission, unless the content is acknowledged."""
        self._tracker(section).on_packet_lost(fragment)

    def on_packet_acked(self, section: int, fragment: int) -> list[int]:
        """Mark a fragment as held by the receiver; return the newly complete sections."""
        self._tracker(section).on_acked([fragment])
        return self._newly_done()

    def on_sections_acked(self, mask: int) -> list[int]:
        """Mark sections as held by the receiver, bit i for section i; return the newly complete ones."""
        if mask:
            self._offer_tracker.on_all_acked()
        for index, tracker in self._trackers.items():
            if mask >> index & 1:
                tracker.on_all_acked()
        return self._newly_done()

    def on_resume(self, have: Have) -> list[int]:
        """Mark the data that the receiver holds from an earlier transport; return the newly complete sections.

        If the picture is fragmented differently now, only complete sections count, and the OFFER is sent again.
        """
        if have.fragment_size in (0, self.fragmented.offer.fragment_size):
            self._offer_tracker.on_all_acked()
            for part in have.parts:
                if part.section in self._trackers:
                    self._trackers[part.section].on_acked(indices_of(part.fragments))
        for index, tracker in self._trackers.items():
            if have.sections >> index & 1:
                tracker.on_all_acked()
        return self._newly_done()

    def reset(self) -> int:
        """Start over: nothing is known to have arrived. Return the dropped sections to announce again, bit i for i."""
        for tracker in (self._offer_tracker, *self._trackers.values()):
            tracker.reset()
        self._unannounced = sum(1 << index for index in self.dropped)
        return self._unannounced

    def refragment(self, sizes: PacketSizes) -> None:
        """Fragment the picture again, for a link with smaller packets.

        Raises:
            LocalProtocolError: the packets are too small.
        """
        self.fragmented = fragment_picture(self.picture, sizes)
        self._offer_tracker = FragmentTracker(1)
        dropped = self.dropped
        self._trackers = {index: FragmentTracker(count) for index, count in self.fragmented.counts.items()}
        for index in set(dropped) & self._trackers.keys():
            self._trackers[index].dropped = True

    def retransmit(self, mask: int, fragments: bytes) -> None:
        """Send sections again, or the fragments of one section in a bitmap, or the OFFER if `mask` is 0."""
        if not mask:
            self._offer_tracker.retransmit(None)
        indices = indices_of(fragments) if fragments else None
        for index, tracker in self._trackers.items():
            if mask >> index & 1:
                tracker.retransmit(indices)

    def drop(self, mask: int, *, announce: bool = True) -> int:
        """Drop the sections of a mask that the receiver does not hold; return them, bit i for section i.

        Args:
            mask: bit i for section i.
            announce: whether the picture is done only after the receiver acknowledges the CANCEL.
        """
        dropped = 0
        for index, tracker in self._trackers.items():
            if mask >> index & 1 and not tracker.done and not tracker.dropped:
                tracker.dropped = True
                dropped |= 1 << index
        if announce:
            self._unannounced |= dropped
        return dropped

    def on_cancel_acked(self, mask: int) -> None:
        """Mark dropped sections as known to the receiver, bit i for section i."""
        self._unannounced &= ~mask

    def next_expiry(self) -> float:
        """Return when the next open section expires, in seconds; infinite if none does."""
        return self.lifetimes.next_expiry(
            index for index, tracker in self._trackers.items() if not (tracker.done or tracker.dropped)
        )

    def _repair_policy(self, repair_count: RepairCount | None, urgency: int) -> RepairPolicy:
        if repair_count is None:
            return no_repair
        packets = self.fragmented.packets
        return lambda fragments: repair_count(fragments, urgency, packets)

    def _candidate(self, section: int, fragment: Fragment, urgency: int) -> Candidate:
        return Candidate(
            urgency=urgency,
            picture_id=self.picture_id,
            retransmit=fragment.retransmit,
            incremental=section != OFFER and self.sections[section].incremental,
            section=section,
            fragment=fragment.index,
            repair=fragment.repair,
        )

    def _tracker(self, section: int) -> FragmentTracker:
        return self._offer_tracker if section == OFFER else self._trackers[section]

    def _newly_done(self) -> list[int]:
        if not self._offer_tracker.done:
            return []
        trackers = self._trackers
        complete = (index for index in range(len(self.sections)) if index not in trackers or trackers[index].done)
        news = [index for index in complete if index not in self._reported]
        self._reported.update(news)
        return news
