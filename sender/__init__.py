"""The sending side: pictures from files, folders and HTTP requests to one receiver.

sources/      files to send, and folders that are watched
http/         HTTP interface: upload pictures, follow their delivery
outbox/       pictures on disk until the receiver acknowledges them, and the relay that delivers them
connection/   one connection to a receiver: sending, progress, reconnecting, order of the layers
metrics.py    Prometheus metrics
"""

from sender.connection.delivery import Delivery, Progress, SectionDelivery
from sender.connection.layer_order import ORDERS
from sender.connection.options import ConnectOptions, SenderIdentity
from sender.connection.sender import Sender

__all__ = ["ORDERS", "ConnectOptions", "Delivery", "Progress", "SectionDelivery", "Sender", "SenderIdentity"]
