"""The `layercast` command. Each subcommand is a module of `layercast.commands`.

Nothing but argparse is imported before the arguments are parsed, and of the commands only the named one, so that
`--help` answers at once.
"""

import argparse
import contextlib
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

from layercast import __version__
from layercast.commands.options.defaults import defaults_of, read_defaults
from layercast.commands.options.parser import add_logging
from layercast.console import flush_streams, prepare_streams
from layercast.logs import printable, set_up_logs
from layercast_common.errors import LayercastError, UsageError
from layercast_common.stopping import handlers
from layercast_common.stopping.handlers import INTERRUPTED, TERMINATED, Terminated

#: Exit codes: success, an error, wrong usage. Those of a command that was stopped are in `stopping.handlers`.
DONE, FAILED, WRONG_USAGE = 0, 1, 2

_DESCRIPTION = """\
Send pictures over links that can hardly carry text: first a prompt, then lines, then colours.
A diffusion model at the receiver renders the picture, and improves it with each layer that arrives."""

_EXAMPLES = """\
examples:
  layercast demo                                   watch pictures arrive over a 2,400 bit/s link
  layercast encode photo.jpg -o photo.lcast        encode a picture in a few hundred bytes
  layercast info photo.lcast                       show the size of each layer
  layercast decode photo.lcast -o out/             render the picture at each level
  layercast edit photo.lcast -o dusk.lcast --recolor hue=+40 --erase 300,40,120,200
  layercast receive                                receive pictures, show them at http://127.0.0.1:8080
  layercast send photo.jpg --to ws://127.0.0.1:8765 --link iridium
  layercast evaluate --images pictures/ -o results/  measure rate and distortion beside other formats
  layercast simulate --images pictures/ --link iridium -o out/   in virtual time, beside JPEG, WebP, AVIF, JPEG XL
  layercast replay pictures/ --speed 4             show recorded arrivals, or write one as HTML or WebP
  layercast watch camera/ --to ws://127.0.0.1:8765  send every picture that appears there
"""

#: The commands and their modules, in the order of the help.
_COMMANDS = {
    "demo": "layercast.commands.demo",
    "encode": "layercast.commands.encode",
    "decode": "layercast.commands.decode",
    "info": "layercast.commands.info",
    "edit": "layercast.commands.edit",
    "send": "layercast.commands.send",
    "watch": "layercast.commands.watch",
    "outbox": "layercast.commands.outbox",
    "receive": "layercast.commands.receive",
    "replay": "layercast.commands.replay",
    "models": "layercast.commands.models",
    "simulate": "layercast.commands.measuring.simulate",
    "evaluate": "layercast.commands.measuring.evaluate",
    "bench": "layercast.commands.bench.command",
}


def build_parser(defaults: Mapping[str, str] | None = None, only: str | None = None) -> argparse.ArgumentParser:
    """Build the parser of the command line.

    Args:
        defaults: from `read_defaults`; None for the commands' own defaults.
        only: the one command that it must know, so that the others need not be imported; None for all.
    """
    parser = argparse.ArgumentParser(
        prog="layercast",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"layercast {__version__}")
    parser.add_argument(
        "--print-completion",
        choices=("bash", "zsh", "fish"),
        help='print the completion of a shell; for bash: eval "$(layercast --print-completion bash)"',
    )
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    for name in (only,) if only else _COMMANDS:
        command = import_module(_COMMANDS[name])
        subparser = command.add_parser(subparsers)
        add_logging(subparser)
        subparser.set_defaults(run=command.run, **defaults_of(name, defaults or {}))
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        arguments: the command line; None for that of the process, which then ends soon after SIGTERM or Ctrl-C,
            whatever it is busy with, and at once if a thread is still busy with work that nothing can interrupt.
    """
    if arguments is None:
        handlers.start()
    try:
        code = _run(arguments)
    except KeyboardInterrupt as stop:
        # It came before or after the command itself.
        code = _report_stop(stop)
    if arguments is None:
        _end_at_once(code)
    return code


def _end_at_once(code: int) -> None:
    """End the process if a signal has stopped it, or if there are abandoned threads.

    Python would wait, or crash, while libraries run in threads; and their clean-up may take seconds.
    """
    from layercast_common.tasks import abandoned_threads

    if not handlers.is_stopped() and not abandoned_threads():
        return
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
    handlers.end(code)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace | None:
    """Parse the command line; print the help or a completion and return None if there is no command.

    Raises:
        LayercastError: the defaults in the configuration file or the environment are wrong.
        SystemExit: after --help or wrong usage.
    """
    completing = "_ARGCOMPLETE" in os.environ
    first = next(iter(sys.argv[1:] if arguments is None else arguments), None)
    parser = build_parser(read_defaults(), first if first in _COMMANDS and not completing else None)
    if completing:
        import argcomplete

        argcomplete.autocomplete(parser)
    options = parser.parse_args(arguments)
    if hasattr(options, "run"):
        return options
    _show_help(parser, options.print_completion)
    return None


def _run(arguments: Sequence[str] | None) -> int:
    prepare_streams()
    try:
        options = _parse(arguments)
        if options is None:
            flush_streams()
            return DONE
    except LayercastError as error:
        print(f"layercast: {printable(str(error))}", file=sys.stderr)  # noqa: T201
        return WRONG_USAGE if isinstance(error, UsageError) else FAILED
    except SystemExit:
        # After --help or wrong usage.
        with contextlib.suppress(BrokenPipeError):
            flush_streams()
            raise
        sys.stdout = None
        return FAILED
    except BrokenPipeError:
        sys.stdout = None
        return FAILED
    level = logging.DEBUG if options.verbose else logging.ERROR if options.quiet else logging.WARNING
    set_up_logs(level, options.log_format)
    try:
        code: int | None = options.run(options)
        flush_streams()
    except LayercastError as error:
        if options.verbose:
            logging.getLogger(__name__).exception("traceback")
        print(f"layercast: {printable(str(error))}", file=sys.stderr)  # noqa: T201
        return WRONG_USAGE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt as stop:
        return _report_stop(stop)
    except BrokenPipeError:
        # The reader of stdout has closed it; without this, Python reports the failing flush at exit.
        sys.stdout = None
        return FAILED
    return DONE if code is None else code


def _report_stop(stop: KeyboardInterrupt) -> int:
    """Say that a signal has stopped the command; return the exit code."""
    handlers.note_stop()
    with contextlib.suppress(BrokenPipeError):
        print("layercast: stopped", file=sys.stderr)  # noqa: T201
    return TERMINATED if isinstance(stop, Terminated) else INTERRUPTED


def _show_help(parser: argparse.ArgumentParser, shell: str | None) -> None:
    """Print the help, or the completion of a shell."""
    if shell is None:
        parser.print_help()
        return
    from argcomplete.shell_integration import shellcode

    sys.stdout.write(shellcode(["layercast"], shell=shell))
