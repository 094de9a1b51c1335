"""Read the first numbers of an encoded packet without verifying or decoding it, to choose its channel or topic.

Only for outgoing packets, which this process encoded itself. Incoming packets are verified first.
"""

#: Width in bytes of a MessagePack unsigned integer, by its first byte.
_WIDTHS = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}


def leading_numbers(packet: bytes, count: int) -> tuple[int, ...]:
    """Return up to `count` unsigned integers at the start of a packet's array: its type, then its first fields.

    Returns fewer if the array is shorter or a field is not an unsigned integer.
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
