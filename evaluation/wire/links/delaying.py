"""Forwards frames between two network interfaces after a delay, as netem does, for kernels without it.

    python -m evaluation.wire.links.delaying LEFT RIGHT SECONDS

Needs root on Linux. It prints a line once it forwards, and runs until it is terminated.
"""

import heapq
import itertools
import select
import socket
import sys
import time

#: `ETH_P_ALL`, `SOL_PACKET` and `PACKET_VNET_HDR` of Linux: every frame, with the header in which the kernel notes that
#: a checksum is still to be computed.
_ETH_P_ALL, _SOL_PACKET, _PACKET_VNET_HDR = 3, 263, 15

#: Larger than any frame.
_FRAME = 1 << 17


def forward(left: str, right: str, delay: float) -> None:
    """Forward frames both ways until the process ends.

    Args:
        left, right: names of the interfaces.
        delay: in seconds.
    """
    ends = {}
    for name in (left, right):
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
        end.setsockopt(_SOL_PACKET, _PACKET_VNET_HDR, 1)
        end.bind((name, _ETH_P_ALL))
        ends[name] = end
    other = {ends[left]: ends[right], ends[right]: ends[left]}
    waiting: list[tuple[float, int, bytes, socket.socket]] = []
    numbers = itertools.count()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        wait = None if not waiting else max(0.0, waiting[0][0] - time.monotonic())
        for end in select.select(list(other), [], [], wait)[0]:
            frame, address = end.recvfrom(_FRAME)
            if address[2] != socket.PACKET_OUTGOING:
                heapq.heappush(waiting, (time.monotonic() + delay, next(numbers), frame, other[end]))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, frame, end = heapq.heappop(waiting)
            end.send(frame)


if __name__ == "__main__":
    forward(sys.argv[1], sys.argv[2], float(sys.argv[3]))
