"""Which connections stay and which give way."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layercast_common.sockets.limits import ConnectionLimits, ConnectionTable, address_key

LIMITS = ConnectionLimits(total=4, per_address=2, waiting_seconds=5.0)


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_addresses_count_by_network(address: str, key: str) -> None:
    assert address_key(address) == key


def test_at_the_limit_of_an_address_its_longest_waiting_connection_gives_way() -> None:
    table = ConnectionTable(LIMITS)
    assert [table.admit(number, "a", number) for number in (1, 2, 3, 4)] == [None, None, 1, 2]
    table.begin(3)
    table.begin(4)
    assert table.admit(5, "a", 5.0) == 5
    assert table.admit(6, "b", 6.0) is None
    table.wait(4, 7.0)
    assert table.admit(7, "a", 8.0) == 4
    assert len(table) == 3


def test_at_the_limit_of_all_the_address_with_most_waiting_ones_gives_way() -> None:
    table = ConnectionTable(LIMITS)
    for number, address in enumerate(["a", "b", "b", "c"]):
        table.admit(number, address, 0.0)
    assert table.admit(4, "d", 1.0) == 1
    for number in (0, 2, 3, 4):
        table.begin(number)
    assert table.admit(5, "e", 2.0) == 5


def test_those_that_wait_too_long_are_overdue() -> None:
    table = ConnectionTable(LIMITS)
    table.admit(1, "a", 0.0)
    table.admit(2, "a", 1.0)
    table.begin(1)
    assert table.overdue(5.9) == []
    assert table.overdue(6.0) == [2]
    table.wait(1, 6.0)
    assert table.overdue(10.9) == [2]
    assert table.overdue(11.0) == [1, 2] or table.overdue(11.0) == [2, 1]
    table.remove(1)
    table.remove(1)
    assert table.overdue(11.0) == [2]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["admit", "begin", "wait", "remove"]))))
def test_limits_hold_whatever_happens(steps: list[tuple[str, str]]) -> None:
    table, alive = ConnectionTable(LIMITS), dict[int, str]()
    for number, (address, step) in enumerate(steps):
        if step == "admit":
            closed = table.admit(number, address, number)
            alive[number] = address
            if closed is not None:
                del alive[closed]
        elif alive:
            chosen = next(iter(alive))
            if step == "remove":
                del alive[chosen]
                table.remove(chosen)
            elif step == "begin":
                table.begin(chosen)
            else:
                table.wait(chosen, number)
        assert len(table) == len(alive) <= LIMITS.total
        assert all(list(alive.values()).count(one) <= LIMITS.per_address for one in "abcd")


@pytest.mark.parametrize(("descriptors", "total"), [(8, 4), (64, 12), (128, 25), (1024, 358), (4096, 512)])
def test_two_sockets_leave_descriptors_for_the_rest(descriptors: int, total: int) -> None:
    limits = ConnectionLimits.for_process(512, descriptors=descriptors)
    assert limits.total == total
    assert limits.per_address == max(4, total // 2)
    assert ConnectionLimits.for_process(512, 10_000, descriptors=descriptors).per_address == total
    assert descriptors < 16 or 2 * limits.total < descriptors
