"""Pictures in, packets out."""

from sender.delivery import Delivery, Progress, SectionDelivery
from sender.orders import ORDERS
from sender.session import Sender

__all__ = ["ORDERS", "Delivery", "Progress", "SectionDelivery", "Sender"]
