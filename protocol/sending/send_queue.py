"""The pictures that a sender has under way: which packet leaves next, and what came of those that left.

offer --> OutgoingPicture --candidates--> FairShare --> packet --> NetworkPath --> arrived / lost --> OutgoingPicture
"""

import math
from collections.abc import Callable, Iterator, Sequence

from layercast_common.errors import LocalProtocolError, RemoteProtocolError
from protocol.connection.events import (
    PictureAcknowledged,
    PictureRefused,
    PictureSent,
    SectionAcknowledged,
    SenderEvent,
    Wanted,
)
from protocol.recovery.path import NetworkPath
from protocol.sending.picture import OutgoingPicture
from protocol.sending.priority_overrides import PriorityOverrides
from protocol.sending.scheduler import OFFER, Candidate, FairShare
from protocol.wire.codes import Code
from protocol.wire.fields import Have, indices_of
from protocol.wire.limits import ALL_SECTIONS
from protocol.wire.packets import Ack, Cancel, Packet, Prio, Want

#: The section numbers of a CANCEL and of a repair packet in the ledger; of a CANCEL, the fragment is its mask.
CANCEL = -2
REPAIR = -3


class SendQueue:
    """What one sender sends. `uplink` is the link that it goes over; another one begins after `suspend`."""

    def __init__(self, uplink: NetworkPath) -> None:
        self.uplink = uplink
        self._images: dict[int, OutgoingPicture] = {}
        self._cancels: dict[int, int] = {}
        self._wishes = PriorityOverrides()
        self._share = FairShare()
        self._last_picture_id = 0
        self._events: list[SenderEvent] = []
        self._now = 0.0
        #: Until when there is nothing to send or no room for it, as far as time alone goes.
        self._idle_until = -math.inf

    @property
    def open_pictures(self) -> int:
        """Pictures that are offered and not finished."""
        return len(self._images)

    @property
    def next_picture_id(self) -> int:
        """The number of the next picture, if its owner has no other."""
        return self._last_picture_id + 1

    def take_events(self) -> list[SenderEvent]:
        """What happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    def offer(self, image: OutgoingPicture) -> None:
        """Begin a picture.

        Raises:
            LocalProtocolError: it is under way already.
        """
        if image.number in self._images:
            raise LocalProtocolError(f"picture {image.number} is under way already")
        self._images[image.number] = image
        self._last_picture_id = max(self._last_picture_id, image.number)
        self._idle_until = -math.inf

    def cancel(self, number: int, code: Code, from_layer: int = 0) -> None:
        """Give up a picture, or its layers from one on, and tell the receiver. A finished one is left alone."""
        image = self._images.get(number)
        if image is None:
            return
        mask = image.mask_from(from_layer)
        if mask == image.mask_from(0):
            self._cancels[number] = ALL_SECTIONS
            self._idle_until = -math.inf
            self.drop(number, code)
        else:
            self._give_up(image, mask)

    def decline(self, number: int, mask: int, now: float) -> None:
        """Note that the receiver does not want sections of a picture, bit i for section i."""
        self._now = now
        image = self._images.get(number)
        if image is None:
            return
        if mask == ALL_SECTIONS:
            self.drop(number, Code.CANCELLED)
        else:
            image.drop(mask, heard=True)
            self._tell(image, [])

    def drop(self, number: int, code: Code) -> None:
        """End a picture without success."""
        image = self._images.pop(number, None)
        if image is not None:
            self._events.append(PictureRefused(picture_id=number, code=code, cost=image.cost))

    def drop_all(self, code: Code) -> None:
        """End every picture without success."""
        for number in list(self._images):
            self.drop(number, code)

    def acknowledge(self, ack: Ack, now: float) -> None:
        """Take an ACK.

        Raises:
            RemoteProtocolError: it speaks of what was never sent.
        """
        self._now = now
        self._idle_until = -math.inf
        for done in ack.done:
            # Before its packets count as arrived: the receiver threw them away.
            if not done.sections:
                self.drop(done.image, Code.NOT_HELD)
        for sent in self.uplink.ledger.acknowledge(ack, now):
            image = self._images.get(sent.image)
            if image is None or sent.section == REPAIR:
                continue
            if sent.section == CANCEL:
                image.heard(sent.fragment)
                self._tell(image, [])
            else:
                self._tell(image, image.arrived(sent.section, sent.fragment))
        for done in ack.done:
            image = self._images.get(done.image)
            if done.image > self._last_picture_id or (image is not None and not image.offered):
                raise RemoteProtocolError("the peer holds a picture that was never offered", Code.PROTOCOL)
            if image is not None:
                self._tell(image, image.arrived_whole(done.sections))

    def want(self, want: Want) -> bool:
        """Take a WANT; false if that picture is not held here, which its owner is told."""
        self._idle_until = -math.inf
        image = self._images.get(want.image or max(self._images, default=0))
        if image is None:
            sections = tuple(indices_of(want.sections.to_bytes(4, "little")))
            self._events.append(Wanted(picture_id=want.image, sections=sections))
            return False
        image.want(want.sections, want.fragments)
        return True

    def prioritise(self, prio: Prio) -> None:
        """Take a PRIO: from now on, the receiver's urgency holds."""
        self._wishes.add(prio, self._images)

    def suspend(self) -> None:
        """Note that the link is gone, and that nobody knows what of it arrived."""
        for sent in self.uplink.ledger.unanswered:
            if sent.section == CANCEL:
                self._tell_cancelled(sent.image, sent.fragment)
        for image in self._images.values():
            # Whoever answers next may be a receiver that was started again, and has heard of nothing.
            if given_up := image.restart():
                self._tell_cancelled(image.number, given_up)

    def learn(self, have: Sequence[Have], now: float) -> None:
        """Take what the receiver says that it holds."""
        self._now = now
        self._idle_until = -math.inf
        for row in have:
            image = self._images.get(row.image)
            if image is not None:
                self._tell(image, image.learn(row))

    def refit(self) -> None:
        """Cut anew what does not fit the link's packets."""
        link = self.uplink
        for image in [image for image in self._images.values() if image.largest_packet > link.mtu]:
            try:
                image.recut(packet=link.packet_for(image.size), mtu=link.mtu, check=link.check)
            except LocalProtocolError:
                self.drop(image.number, Code.TOO_LARGE)

    def next_packet(self, now: float, backlog: int, encode: Callable[[Packet], bytes]) -> bytes | None:
        """The packet to send now, if one may leave; see `Connection.next_packet`."""
        self._now = now
        if now < self.uplink.pace.free_at:
            return None
        cancel = next((number for number in self._cancels if self._may_cancel(number)), None)
        if cancel is not None:
            return self._send_cancel(cancel, encode)
        candidates = [one for image in self._images.values() for one in self._candidates(image)]
        best = self._share.choose(candidates, now)
        if best is None:
            self._idle_until = math.inf
            return None
        image = self._images[best.image]
        data = encode(self._packet(best))
        self._idle_until = self.uplink.room_at(len(data), image.packet_size, backlog, now)
        if now < self._idle_until:
            return None
        image.sent(best, len(data))
        self._share.sent(best, len(data), now)
        left = any(True for _ in self._candidates(image))
        section = REPAIR if best.repair and best.section != OFFER else best.section
        self.uplink.sent(
            len(data),
            now,
            image=best.image,
            section=section,
            fragment=best.fragment,
            more=left or len(candidates) > 1,
        )
        if self.uplink.one_way and not left:
            del self._images[image.number]
            self._events.append(PictureSent(picture_id=image.number, at=now, cost=image.cost))
        return data

    def pass_time(self, now: float) -> None:
        """Give up what is too late, and find out what was lost."""
        self._now = now
        for image in list(self._images.values()):
            image.start(now)
            if now >= image.deadline:
                self.cancel(image.number, Code.EXPIRED)
            elif now >= image.next_expiry():
                self._give_up(image, image.expired(now))
        for sent in self.uplink.ledger.lost(now):
            self._idle_until = -math.inf
            if sent.section == CANCEL:
                self._tell_cancelled(sent.image, sent.fragment)
            elif sent.section != REPAIR and sent.image in self._images:
                self._images[sent.image].lost(sent.section, sent.fragment)

    def timers(self) -> Iterator[float]:
        """When time brings something."""
        lost_at = self.uplink.ledger.next_timer()
        if lost_at is not None:
            yield lost_at
        yield from (min(image.deadline, image.next_expiry()) for image in self._images.values())
        yield max(self.uplink.pace.free_at, self._idle_until)

    def _candidates(self, image: OutgoingPicture) -> Iterator[Candidate]:
        image.start(self._now)
        return image.candidates(self.uplink.plan if self.uplink.repairs else None, self._wishes.urgency_of)

    def _packet(self, best: Candidate) -> Packet:
        image, number = self._images[best.image], self.uplink.ledger.next_number
        if best.section == OFFER:
            return image.offer(number)
        if best.repair:
            return image.repair(number, best.section, best.fragment, best.repair)
        return image.data(number, best.section, best.fragment)

    def _may_cancel(self, number: int) -> bool:
        """Whether a CANCEL may leave: of sections, only after the OFFER that says which they are."""
        return number not in self._images or self._images[number].offered

    def _send_cancel(self, number: int, encode: Callable[[Packet], bytes]) -> bytes:
        mask = self._cancels.pop(number)
        data = encode(Cancel(pn=self.uplink.ledger.next_number, image=number, sections=mask))
        more = bool(self._images)
        self.uplink.sent(len(data), self._now, image=number, section=CANCEL, fragment=mask, more=more)
        return data

    def _tell_cancelled(self, number: int, mask: int) -> None:
        self._cancels[number] = self._cancels.get(number, 0) | mask

    def _give_up(self, image: OutgoingPicture, mask: int) -> None:
        dropped = image.drop(mask)
        if dropped:
            self._tell_cancelled(image.number, dropped)
            self._idle_until = -math.inf
            self._tell(image, [])

    def _tell(self, image: OutgoingPicture, sections: list[int]) -> None:
        number = image.number
        self._events.extend(SectionAcknowledged(picture_id=number, index=index, at=self._now) for index in sections)
        if image.done and number in self._images:
            del self._images[number]
            self._events.append(
                PictureAcknowledged(picture_id=number, at=self._now, cost=image.cost, dropped=image.dropped)
            )
