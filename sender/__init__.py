"""Pictures in, packets out."""

from sender.orders import ORDERS
from sender.session import Delivery, Progress, SectionDelivery, Sender

__all__ = ["ORDERS", "Delivery", "Progress", "SectionDelivery", "Sender"]
