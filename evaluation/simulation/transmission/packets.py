"""Splits the bytes of a packet by cause and layer, as a passive observer of the link."""

from dataclasses import dataclass, field

from protocol.wire.encoding import decode_packet
from protocol.wire.fields import sending_order
from protocol.wire.packets import Ack, Cancel, Data, Offer, Ping, Pong, Prio, Repair, Want


@dataclass(frozen=True, slots=True)
class PacketView:
    """What a packet carries.

    Attributes:
        cause: its cause: payload, retransmission, repair, acknowledgement or control.
        picture: the picture's number; 0 for none.
        layer: the layer of its payload; -1 for none.
        section: the section's index; -1 for none or several.
        payload: bytes of payload in it.
    """

    cause: str
    picture: int = 0
    layer: int = -1
    section: int = -1
    payload: int = 0


@dataclass(slots=True)
class PacketObserver:
    """Classifies packets in the order of sending; remembers what was sent before."""

    _layers: dict[tuple[int, int], int] = field(default_factory=dict)
    _seen: set[tuple[int, int, int]] = field(default_factory=set)

    def view(self, packet: bytes) -> PacketView:
        """Classify a packet of either direction."""
        found = decode_packet(packet)
        match found:
            case Offer(image=image):
                for index, section in enumerate(found.sections):
                    self._layers[image, index] = section.layer
                first = next(iter(sending_order(found.sections)), -1)
                again = (image, -1, 0) in self._seen
                self._seen.add((image, -1, 0))
                layer = self._layers.get((image, first), -1) if found.inline else -1
                cause = "retransmission" if again else "payload"
                return PacketView(cause, image, layer, first if found.inline else -1, len(found.inline))
            case Data(image=image, section=section, fragment=fragment, payload=payload):
                again = (image, section, fragment) in self._seen
                self._seen.add((image, section, fragment))
                layer = self._layers.get((image, section), -1)
                return PacketView("retransmission" if again else "payload", image, layer, section, len(payload))
            case Repair(image=image, section=section, payload=payload):
                return PacketView("repair", image, self._layers.get((image, section), -1), section, len(payload))
            case Ack():
                return PacketView("acknowledgement")
            case Want(image=image) | Prio(image=image) | Cancel(image=image):
                return PacketView("control", image)
            case Ping() | Pong() | _:
                return PacketView("control")
