"""Reed-Solomon repair pieces: any k of k + m pieces restore the k data pieces.

A systematic Cauchy Reed-Solomon code over GF(256) (Bloemer et al., ICSI TR-95-048): data pieces are sent unchanged, and
a repair piece is the sum of all data pieces, each times a coefficient. The columns are scaled so that the first repair
piece is the XOR of the data. A coefficient depends only on the two indices, so a sender can add repair pieces at any
time. `fec_policy.py` decides how many to send.
"""

import functools
from collections.abc import Iterable, Mapping, Sequence

from layercast_common.errors import LocalProtocolError, PacketError
from protocol.wire.limits import MAX_PACKET

#: The most pieces of one group, data and repair together; a limit of the field.
MAX_PIECES = 255

# GF(256) with the polynomial x^8 + x^4 + x^3 + x^2 + 1, as in RFC 5510: powers of 2 and their logarithms.
_POLYNOMIAL = 0x11D
_EXP = [1]
while len(_EXP) < 255:
    _EXP.append(_EXP[-1] << 1 ^ (_POLYNOMIAL if _EXP[-1] & 0x80 else 0))
_LOG = {power: exponent for exponent, power in enumerate(_EXP)}


def repair_pieces(data: Sequence[bytes], count: int, *, first: int = 0) -> list[bytes]:
    """Return the repair pieces `first` to `first + count - 1` of a group.

    Args:
        data: the data pieces; shorter ones are padded with zeros.
        count: how many repair pieces to return.
        first: the index of the first one.

    Raises:
        LocalProtocolError: there is no data, or the group would exceed 255 pieces.
    """
    if not data or count < 0 or first < 0 or len(data) + first + count > MAX_PIECES:
        raise LocalProtocolError(f"a group has 1 to {MAX_PIECES} pieces, data and repair together")
    size = max(map(len, data))
    padded = [piece.ljust(size, b"\0") for piece in data]
    return [
        _sum([(_coefficient(row, i), piece) for i, piece in enumerate(padded)], size)
        for row in range(first, first + count)
    ]


def rebuild_pieces(pieces: Mapping[int, bytes], count: int) -> list[bytes]:
    """Return all data pieces of a group, from any `count` of its pieces.

    Args:
        pieces: the received pieces by index: data from 0, repair from `count`; all of one size, shorter data padded
            with zeros. Surplus repair pieces are ignored.
        count: the number of data pieces of the group.

    Raises:
        PacketError: there are too few pieces, or they cannot belong to one group.
    """
    if not 1 <= count <= MAX_PIECES:
        raise PacketError(f"a group of {count} data pieces; 1 to {MAX_PIECES} are allowed")
    if len(pieces) < count:
        raise PacketError(f"{len(pieces)} pieces cannot restore {count}")
    size = len(next(iter(pieces.values())))
    if size > MAX_PACKET or any(len(piece) != size for piece in pieces.values()):
        raise PacketError("the pieces of a group have one size, at most that of a packet")
    if not all(0 <= place < MAX_PIECES for place in pieces):
        raise PacketError(f"the pieces of a group have the indices 0 to {MAX_PIECES - 1}")
    missing = [place for place in range(count) if place not in pieces]
    rows = sorted(place - count for place in pieces if place >= count)[: len(missing)]
    held = [(place, pieces[place]) for place in range(count) if place in pieces]
    # Each repair piece minus the contribution of the received data: a combination of the missing data alone.
    rests = [
        _sum([(1, pieces[count + row]), *((_coefficient(row, place), piece) for place, piece in held)], size)
        for row in rows
    ]
    inverse = _inverse(rows, missing)
    found = {place: _sum(list(zip(inverse[i], rests, strict=True)), size) for i, place in enumerate(missing)}
    return [found[place] if place in found else pieces[place] for place in range(count)]


def _coefficient(row: int, column: int) -> int:
    """Return the coefficient of a data piece: 1 / (x + y), divided by that of row 0. Rows count down from 255."""
    return _quotient(column ^ 255, column ^ 255 - row)


def _inverse(rows: Sequence[int], columns: Sequence[int]) -> list[list[int]]:
    """Invert the square matrix of some rows and columns, in closed form; Gaussian elimination would be cubic."""
    xs, ys = [255 - row for row in rows], list(columns)
    by_x = [_product(x ^ y for y in ys) - _product(x ^ other for other in xs if other != x) for x in xs]
    by_y = [_product(x ^ y for x in xs) - _product(y ^ other for other in ys if other != y) - _LOG[y ^ 255] for y in ys]
    return [
        [_EXP[(a + b - _LOG[x ^ y]) % 255] for x, a in zip(xs, by_x, strict=True)]
        for y, b in zip(ys, by_y, strict=True)
    ]


def _sum(terms: Iterable[tuple[int, bytes]], size: int) -> bytes:
    """Return the sum of pieces, each times its factor."""
    total = 0
    for factor, piece in terms:
        total ^= int.from_bytes(piece if factor == 1 else piece.translate(_times(factor)))
    return total.to_bytes(size)


@functools.cache
def _times(factor: int) -> bytes:
    """Return the products of every field element with a factor other than 0, as a table for `bytes.translate`."""
    return bytes([0, *(_EXP[(_LOG[factor] + _LOG[number]) % 255] for number in range(1, 256))])


def _product(factors: Iterable[int]) -> int:
    """Return the logarithm of a product."""
    return sum(_LOG[factor] for factor in factors)


def _quotient(dividend: int, divisor: int) -> int:
    return _EXP[(_LOG[dividend] - _LOG[divisor]) % 255]
