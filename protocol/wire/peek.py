"""Reads what stands in the front of a packet without checking or decoding it: enough to choose its way.

Only for packets on their way out, which our own side made. What came from outside is checked first.
"""

#: Bytes of a MessagePack unsigned integer behind its lead byte, by the lead byte.
_WIDTHS = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}


def leading_numbers(packet: bytes, count: int) -> tuple[int, ...]:
    """Up to `count` unsigned integers that a packet's array begins with: its type, then its first fields.

    Gives fewer where the array is shorter or something else stands there.
    """
    numbers: list[int] = []
    if not packet or not 0x90 <= packet[0] <= 0x9F:
        return ()
    place = 1
    while len(numbers) < min(count, packet[0] & 0x0F) and place < len(packet):
        lead = packet[place]
        width = _WIDTHS.get(lead, 0)
        if not width and lead >= 0x80:
            break
        place += 1
        numbers.append(int.from_bytes(packet[place : place + width]) if width else lead)
        place += width
    return tuple(numbers)
