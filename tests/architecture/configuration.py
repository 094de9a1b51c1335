"""Renders the options of every command as Markdown, for `docs/configuration.md`.

python -m tests.architecture.configuration            prints them
python -m tests.architecture.configuration --write    writes them into the page
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from layercast.cli import build_parser

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"

BEGIN = "<!-- written by python -m tests.architecture.configuration -->"
END = "<!-- end of the written part -->"

#: A row of a table: the option and its meaning.
Row = tuple[str, str]


@dataclass(slots=True)
class Command:
    """A command, its own options, and its groups of options by title."""

    name: str
    about: str
    rows: list[Row] = field(default_factory=list)
    groups: list[tuple[str, tuple[Row, ...]]] = field(default_factory=list)


def commands(parser: argparse.ArgumentParser) -> Iterator[Command]:
    """Yield the commands of a parser and of its subparsers, in the order of the help."""
    subparsers = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for subparser in (choice for action in subparsers for choice in action.choices.values()):
        command = Command(subparser.prog, subparser.description or "")
        for group in subparser._action_groups:
            rows = [_row(subparser, action) for action in group._group_actions if _is_option(action)]
            if group.title in ("positional arguments", "options"):
                command.rows += rows
            elif rows:
                command.groups.append((str(group.title), tuple(rows)))
        yield command
        yield from commands(subparser)


def render() -> str:
    """Return the written part of the page."""
    found = list(commands(build_parser()))
    shared = [group for group, count in Counter(group for each in found for group in each.groups).items() if count > 1]
    titles = [title for title, _ in shared]
    assert len(set(titles)) == len(titles), "two shared groups have the same title"
    common = [row for row in found[0].rows if all(row in each.rows for each in found)]
    parts = [f"### Every command\n\n{_table(common)}"]
    for command in found:
        rows = [row for row in command.rows if row not in common]
        rows += [row for group in command.groups if group not in shared for row in group[1]]
        text = f"### `{command.name}`\n\n{command.about}\n"
        if rows:
            text += f"\n{_table(rows)}"
        titles = [title for title, rows in command.groups if (title, rows) in shared]
        links = [f"[{title}](#{title.lower().replace(' ', '-')}-options)" for title in titles]
        if links:
            text += f"\nAlso: {', '.join(links)}.\n"
        parts.append(text)
    parts += [f"### {title[0].upper()}{title[1:]} options\n\n{_table(rows)}" for title, rows in shared]
    return "\n".join(parts)


def page_with(text: str) -> str:
    """Return the page with its written part replaced."""
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    return f"{before}{BEGIN}\n\n{text}\n{END}{rest.split(END)[1]}"


def _is_option(action: argparse.Action) -> bool:
    return not isinstance(action, argparse._SubParsersAction | argparse._HelpAction)


def _row(parser: argparse.ArgumentParser, action: argparse.Action) -> Row:
    value: str | tuple[str, ...] = action.metavar or (
        "{" + ",".join(map(str, action.choices)) + "}" if action.choices else action.dest.upper()
    )
    value = value if isinstance(value, str) else " ".join(value)
    names = " ".join(f"`{name}`" for name in action.option_strings) or f"`{value}`"
    if action.option_strings and action.nargs != 0:
        names = names[:-1] + f" {value}`"
    meaning = parser._get_formatter()._expand_help(action) if action.help else ""
    return names.replace("|", r"\|"), " ".join(meaning.split()).replace("|", r"\|")


def _table(rows: list[Row] | tuple[Row, ...]) -> str:
    lines = ["| option | meaning |", "|---|---|", *(f"| {names} | {meaning} |" for names, meaning in rows)]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if "--write" in sys.argv[1:]:
        PAGE.write_text(page_with(render()), encoding="utf-8")
    else:
        sys.stdout.write(render())
