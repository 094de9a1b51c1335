"""The manual's diagrams are those of the tables."""

from pathlib import Path

import pytest

from protocol.connection.diagrams import state_diagram
from protocol.connection.states import BROADCASTER, RECEIVER, SENDER, WATCHER, Rules, State
from protocol.wire.packets import PacketKind

MANUAL = (Path(__file__).parents[3] / "docs/protocol.md").read_text()
ROLES = pytest.mark.parametrize("rules", [SENDER, RECEIVER, BROADCASTER, WATCHER], ids=lambda rules: rules.name)


@ROLES
def test_the_manual_holds_the_diagram(rules: Rules) -> None:
    assert f"```mermaid\n{state_diagram(rules)}\n```" in MANUAL


@ROLES
def test_a_diagram_says_all_that_its_table_says(rules: Rules) -> None:
    lines = state_diagram(rules).splitlines()
    for verb, table in (("send", rules.sends), ("receive", rules.receives)):
        for state, kinds in table.items():
            for kind, after in kinds.items():
                if after is state:
                    note = lines[lines.index(f"    note right of {state.name}") :]
                    said = next(line for line in note if line.strip().startswith(f"{verb}s "))
                    assert kind.name in said.split(maxsplit=1)[1].split(", ")
                else:
                    move = next(line for line in lines if line.startswith(f"    {state.name} --> {after.name}: "))
                    assert f"{verb} {kind.name}" in move.split(": ")[1].split(", ")


def test_another_table_draws_another_diagram() -> None:
    changed = Rules(
        name="sender", sends={**SENDER.sends, State.NEW: {PacketKind.PING: State.READY}}, receives=SENDER.receives
    )
    assert state_diagram(changed) != state_diagram(SENDER)
