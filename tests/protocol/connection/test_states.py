"""The conversations' tables."""

import itertools

import pytest

from layercast_common.errors import LocalProtocolError, RemoteProtocolError
from protocol.connection.states import RECEIVER, SENDER, Machine, Rules, State
from protocol.wire.codes import Code
from protocol.wire.packets import PacketKind

CASES = list(itertools.product([SENDER, RECEIVER], State, PacketKind))


def machine(rules: Rules, state: State) -> Machine:
    """A machine that has come to a state."""
    made = Machine(rules)
    made.state = state
    return made


@pytest.mark.parametrize(("rules", "state", "kind"), CASES)
def test_nothing_but_the_table_is_allowed(rules: Rules, state: State, kind: PacketKind) -> None:
    sending, receiving = machine(rules, state), machine(rules, state)
    after = rules.sends.get(state, {}).get(kind)
    if after is None:
        with pytest.raises(LocalProtocolError, match=f"cannot send {kind.name} while {state.name}"):
            sending.send(kind)
    else:
        sending.send(kind)
    assert sending.state is (after or state)
    after = rules.receives.get(state, {}).get(kind)
    if after is None:
        with pytest.raises(RemoteProtocolError) as caught:
            receiving.receive(kind)
        assert caught.value.code == Code.PROTOCOL
    else:
        receiving.receive(kind)
    assert receiving.state is (after or state)


@pytest.mark.parametrize("rules", [SENDER, RECEIVER])
def test_closed_is_the_end(rules: Rules) -> None:
    assert State.CLOSED not in rules.sends
    assert State.CLOSED not in rules.receives


@pytest.mark.parametrize(("one", "other"), [(SENDER, RECEIVER), (RECEIVER, SENDER)])
def test_what_one_may_send_the_other_takes(one: Rules, other: Rules) -> None:
    for kinds in one.sends.values():
        assert all(any(kind in taken for taken in other.receives.values()) for kind in kinds)


def test_failing_closes_from_anywhere() -> None:
    for rules, state in itertools.product([SENDER, RECEIVER], State):
        made = machine(rules, state)
        made.fail()
        assert made.state is State.CLOSED
