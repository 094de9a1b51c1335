"""Pictures in, packets out.

Where to look, from the pictures to the wire:

    sources, folders, notices       files, and folders in which more appear
    web, uploads, views, updates    pictures posted over HTTP, and news of them
    outbox, reading, entries        what was accepted, on disk until it is delivered; database and locking under it
    courier, visit, backoff         brings it to a receiver: over as many connections as it takes, over one of them
    session, tracking, delivery     one connection, and how pictures travelled on it
    dialing                         opens it, and opens it again where it breaks
    orders, metrics                 in which order layers leave; what is counted
"""

from sender.connection.delivery import Delivery, Progress, SectionDelivery
from sender.connection.layer_order import ORDERS
from sender.connection.sender import Sender

__all__ = ["ORDERS", "Delivery", "Progress", "SectionDelivery", "Sender"]
