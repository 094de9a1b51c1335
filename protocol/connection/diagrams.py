"""The conversations' tables as diagrams, for the manual: drawn here so that it cannot say anything else."""

from protocol.connection.states import Rules, State, Table


def state_diagram(rules: Rules) -> str:
    """A role's states, what moves it and, as notes, what does not: a state diagram of Mermaid (mermaid.js.org)."""
    states = _known(rules)
    lines = ["stateDiagram-v2", f"    [*] --> {rules.start.name}"]
    moves: dict[tuple[State, State], list[str]] = {}
    for verb, table in (("send", rules.sends), ("receive", rules.receives)):
        for state, kinds in table.items():
            for kind, after in kinds.items():
                if after is not state:
                    moves.setdefault((state, after), []).append(f"{verb} {kind.name}")
    # What no packet does: a transport comes and goes.
    if State.SUSPENDED in states:
        for state in (State.READY, State.RESUMING):
            moves.setdefault((state, State.SUSPENDED), []).append("transport lost")
    lines += [f"    {one.name} --> {other.name}: {', '.join(why)}" for (one, other), why in moves.items()]
    lines += [f"    {State.CLOSED.name} --> [*]"]
    for state in states:
        notes = [*_stays("sends", rules.sends, state), *_stays("receives", rules.receives, state)]
        if notes:
            lines += [f"    note right of {state.name}", *(f"        {note}" for note in notes), "    end note"]
    return "\n".join(lines)


def _known(rules: Rules) -> list[State]:
    """The states that a role can be in, in order."""
    used = {rules.start, *rules.sends, *rules.receives}
    return [state for state in State if state in used]


def _stays(verb: str, table: Table, state: State) -> list[str]:
    """What is said in a state without leaving it."""
    kinds = [kind.name for kind, after in table.get(state, {}).items() if after is state]
    return [f"{verb} {', '.join(kinds)}"] if kinds else []
