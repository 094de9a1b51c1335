"""State diagrams generated from the state tables, for the specification."""

from protocol.connection.states import Rules, State, Table


def state_diagram(rules: Rules) -> str:
    """Return a role's state machine as a Mermaid state diagram (mermaid.js.org).

    Transitions are arrows; packets that leave the state unchanged are notes.
    """
    states = _states_of(rules)
    lines = ["stateDiagram-v2", f"    [*] --> {rules.start.name}"]
    moves: dict[tuple[State, State], list[str]] = {}
    for verb, table in (("send", rules.sends), ("receive", rules.receives)):
        for state, kinds in table.items():
            for kind, after in kinds.items():
                if after is not state:
                    moves.setdefault((state, after), []).append(f"{verb} {kind.name}")
    # Suspension is not caused by a packet.
    if State.SUSPENDED in states:
        for state in (State.READY, State.RESUMING):
            moves.setdefault((state, State.SUSPENDED), []).append("transport lost")
    lines += [f"    {one.name} --> {other.name}: {', '.join(why)}" for (one, other), why in moves.items()]
    lines += [f"    {State.CLOSED.name} --> [*]"]
    for state in states:
        notes = [*_loops("sends", rules.sends, state), *_loops("receives", rules.receives, state)]
        if notes:
            lines += [f"    note right of {state.name}", *(f"        {note}" for note in notes), "    end note"]
    return "\n".join(lines)


def _states_of(rules: Rules) -> list[State]:
    """Return the states of a role, in order."""
    used = {rules.start, *rules.sends, *rules.receives}
    return [state for state in State if state in used]


def _loops(verb: str, table: Table, state: State) -> list[str]:
    """Return a note with the packets that leave a state unchanged."""
    kinds = [kind.name for kind, after in table.get(state, {}).items() if after is state]
    return [f"{verb} {', '.join(kinds)}"] if kinds else []
