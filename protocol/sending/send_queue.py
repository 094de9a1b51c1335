"""The choice of a sender's next packet, and the handling of its acknowledgement or loss.

offer --> OutgoingPicture --candidates--> FairShare --> packet --> NetworkPath --> acked / lost --> OutgoingPicture
"""

import math
from collections.abc import Callable, Iterator, Sequence

from layercast_common.errors import RemoteProtocolError
from protocol.connection.events import SenderEvent
from protocol.recovery.loss_detection import PacketContent
from protocol.recovery.path import NetworkPath
from protocol.sending.open_pictures import OpenPictures
from protocol.sending.pictures.picture import OutgoingPicture
from protocol.sending.priority_overrides import PriorityOverrides
from protocol.sending.scheduler import OFFER, Candidate, FairShare
from protocol.wire.codes import Code
from protocol.wire.fields import Have
from protocol.wire.limits import ALL_SECTIONS
from protocol.wire.packets import Ack, Cancel, Err, Packet, Prio, Want

#: The section numbers of CANCEL and REPAIR packets in a `PacketContent`; the fragment of a CANCEL is its mask.
CANCEL = -2
REPAIR = -3


class SendQueue:
    """The packets that one sender has to send.

    Args:
        path: the link.

    Attributes:
        path: as above; replaced after `suspend` when the connection resumes.
    """

    def __init__(self, path: NetworkPath) -> None:
        self.path = path
        self._pictures = OpenPictures()
        self._overrides = PriorityOverrides()
        self._fair_share = FairShare()
        self._now = 0.0
        # Before this time there is nothing to send, or the window is full, unless an event changes that.
        self._idle_until = -math.inf

    @property
    def open_pictures(self) -> int:
        """The number of pictures offered and not finished."""
        return len(self._pictures.by_id)

    @property
    def next_picture_id(self) -> int:
        """The number of the next picture if the owner does not choose one."""
        return self._pictures.last_id + 1

    def take_events(self) -> list[SenderEvent]:
        """Return the events since the last call, in order."""
        return self._pictures.take_events()

    def offer(self, picture: OutgoingPicture) -> None:
        """Add a picture.

        Raises:
            LocalProtocolError: a picture of this number is open.
        """
        self._pictures.add(picture)
        self._idle_until = -math.inf

    def cancel(self, picture_id: int, code: Code, from_layer: int = 0) -> None:
        """Cancel a picture, or its layers from one on, and announce it to the receiver; ignored if it is finished."""
        self._pictures.cancel(picture_id, code, from_layer, self._now)
        self._idle_until = -math.inf

    def end_picture(self, picture_id: int, code: Code) -> None:
        """End a picture that is not delivered; ignored if it is finished."""
        self._pictures.end(picture_id, code)

    def end_all(self, code: Code) -> None:
        """End every picture."""
        self._pictures.end_all(code)

    def on_ack_received(self, ack: Ack, now: float) -> None:
        """Handle the receiver's ACK.

        Raises:
            RemoteProtocolError: it covers a packet or a picture that was never sent.
        """
        self._now = now
        self._idle_until = -math.inf
        for done in ack.done:
            # A failed picture: end it before its packets count as delivered.
            if not done.sections:
                self._pictures.end(done.image, Code.NOT_HELD)
        for sent in self.path.loss_detector.on_ack_received(ack, now):
            self._on_packet_acked(sent.content, now)
        for done in ack.done:
            picture = self._pictures.by_id.get(done.image)
            if done.image > self._pictures.last_id or (picture is not None and not picture.offered):
                raise RemoteProtocolError("the peer acknowledged a picture that was never offered", Code.PROTOCOL)
            if picture is not None:
                self._pictures.on_progress(picture, picture.on_sections_acked(done.sections), now)

    def on_request(self, request: Want | Prio | Cancel, now: float) -> Err | None:
        """Carry out a request of the receiver, and return the ERR to answer with, if any.

        WANT retransmits. PRIO takes precedence over the sender's urgency from now on. CANCEL drops sections.
        """
        self._now = now
        match request:
            case Want(image=picture_id):
                self._idle_until = -math.inf
                picture = self._pictures.find_wanted(request)
                if picture is not None:
                    picture.retransmit(request.sections, request.fragments)
                elif picture_id:
                    return Err(code=Code.NOT_HELD, image=picture_id)
            case Prio():
                self._overrides.add(request, self._pictures.by_id)
            case Cancel(image=picture_id, sections=mask):
                picture = self._pictures.by_id.get(picture_id)
                if picture is not None and mask == ALL_SECTIONS:
                    self._pictures.end(picture_id, Code.CANCELLED)
                elif picture is not None:
                    picture.drop(mask, announce=False)
                    self._pictures.on_progress(picture, [], now)
        return None

    def suspend(self) -> None:
        """Prepare for another transport: packets in flight count as not delivered."""
        for sent in self.path.loss_detector.in_flight:
            if sent.content.section == CANCEL:
                self._pictures.cancels.add(sent.content.picture_id, sent.content.fragment)
        self._pictures.reset()

    def on_resume(self, have: Sequence[Have], now: float) -> None:
        """Handle the receiver's RESUME."""
        self._now = now
        self._idle_until = -math.inf
        for row in have:
            picture = self._pictures.by_id.get(row.image)
            if picture is not None:
                self._pictures.on_progress(picture, picture.on_resume(row), now)

    def refragment(self) -> None:
        """Fragment the pictures again whose packets are too large for the link; end those that do not fit."""
        self._pictures.refragment(self.path)

    def next_packet(self, now: float, backlog: int, encode: Callable[[Packet], bytes]) -> bytes | None:
        """Return the packet to send now, or None if none may leave; see `Connection.next_packet`."""
        self._now = now
        if now < self.path.pacer.next_send_at:
            return None
        cancel = self._pictures.cancels.take(self._pictures.may_cancel)
        if cancel is not None:
            return self._send_cancel(*cancel, encode)
        candidates = [one for picture in self._pictures for one in self._candidates(picture)]
        best = self._fair_share.choose(candidates, now)
        if best is None:
            self._idle_until = math.inf
            return None
        picture = self._pictures.by_id[best.picture_id]
        data = encode(picture.packet(best, self.path.loss_detector.next_number))
        self._idle_until = self.path.send_time(len(data), picture.fragmented.sizes.target, backlog, now)
        if now < self._idle_until:
            return None
        picture.on_packet_sent(best, len(data))
        self._fair_share.on_packet_sent(best, len(data), now)
        left = any(True for _ in self._candidates(picture))
        section = REPAIR if best.repair and best.section != OFFER else best.section
        content = PacketContent(picture_id=best.picture_id, section=section, fragment=best.fragment)
        self.path.on_packet_sent(len(data), now, content, queue_behind=left or len(candidates) > 1)
        if self.path.one_way and not left:
            self._pictures.finish_sent(picture, now)
        return data

    def on_tick(self, now: float) -> None:
        """Cancel what has expired, and detect lost packets."""
        self._now = now
        if self._pictures.expire(now):
            self._idle_until = -math.inf
        for sent in self.path.loss_detector.detect_lost_packets(now):
            self._idle_until = -math.inf
            content = sent.content
            if content.section == CANCEL:
                self._pictures.cancels.add(content.picture_id, content.fragment)
            elif content.section != REPAIR and content.picture_id in self._pictures.by_id:
                self._pictures.by_id[content.picture_id].on_packet_lost(content.section, content.fragment)

    def timers(self) -> Iterator[float]:
        """Yield the times of all timers, in seconds."""
        lost_at = self.path.loss_detector.next_timer()
        if lost_at is not None:
            yield lost_at
        yield from (min(one.picture.deadline, one.next_expiry()) for one in self._pictures)
        yield max(self.path.pacer.next_send_at, self._idle_until)

    def _on_packet_acked(self, content: PacketContent, now: float) -> None:
        picture = self._pictures.by_id.get(content.picture_id)
        if picture is None or content.section == REPAIR:
            return
        if content.section == CANCEL:
            picture.on_cancel_acked(content.fragment)
            self._pictures.on_progress(picture, [], now)
        else:
            self._pictures.on_progress(picture, picture.on_packet_acked(content.section, content.fragment), now)

    def _candidates(self, picture: OutgoingPicture) -> Iterator[Candidate]:
        picture.lifetimes.start(self._now)
        repair_count = self.path.repair_count if self.path.uses_repair else None
        return picture.candidates(repair_count, self._overrides.urgency_of)

    def _send_cancel(self, picture_id: int, mask: int, encode: Callable[[Packet], bytes]) -> bytes:
        data = encode(Cancel(pn=self.path.loss_detector.next_number, image=picture_id, sections=mask))
        content = PacketContent(picture_id=picture_id, section=CANCEL, fragment=mask)
        self.path.on_packet_sent(len(data), self._now, content, queue_behind=bool(self._pictures.by_id))
        return data
