"""The `layercast` command. Each subcommand is a module of `layercast.commands`.

Nothing but argparse is imported before the arguments are parsed, so that `--help` answers at once.
"""

import argparse
import logging
import sys
from collections.abc import Sequence

from layercast import __version__
from layercast.commands import decode, demo, edit, encode, info, models, outbox, receive, replay, send, watch
from layercast.commands.bench import command as bench
from layercast.commands.options.parser import add_logging
from layercast.logs import printable, set_up_logs
from layercast_common.errors import LayercastError, UsageError

#: Exit codes: success, an error, wrong usage, stopped by Ctrl-C.
DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130

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
  layercast replay pictures/ --speed 4             show recorded arrivals, or write one as HTML or WebP
  layercast watch camera/ --to ws://127.0.0.1:8765  send every picture that appears there
"""

_COMMANDS = (demo, encode, decode, info, edit, send, watch, outbox, receive, replay, models, bench)


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="layercast",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"layercast {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        subparser = command.add_parser(subparsers)
        add_logging(subparser)
        subparser.set_defaults(run=command.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = build_parser().parse_args(arguments)
    level = logging.DEBUG if options.verbose else logging.ERROR if options.quiet else logging.WARNING
    set_up_logs(level, options.log_format)
    try:
        options.run(options)
    except LayercastError as error:
        if options.verbose:
            logging.getLogger(__name__).exception("traceback")
        print(f"layercast: {printable(str(error))}", file=sys.stderr)  # noqa: T201
        return WRONG_USAGE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        print("layercast: stopped", file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of stdout has closed it; without this, Python reports the failing flush at exit.
        sys.stdout = None
        return FAILED
    return DONE
