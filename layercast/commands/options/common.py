"""Arguments that several subcommands take."""

import argparse
import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layercast_common.errors import UsageError

if TYPE_CHECKING:
    from codec.encoder.picture import EncodeOptions
    from receiver.rendering.settings.settings import Tuning

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse gives it no public name
else:
    Subparsers = Any


def add_command(subparsers: Subparsers, name: str, about: str, example: str) -> argparse.ArgumentParser:
    """A subcommand with its purpose and an example."""
    return subparsers.add_parser(
        name,
        help=about[0].lower() + about[1:],
        description=about + ".",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """`--json`."""
    parser.add_argument("--json", action="store_true", help="report as one JSON object on stdout")


def add_loudness(parser: argparse.ArgumentParser, *, inner: bool = False) -> None:
    """How much is logged, and in which form; an `inner` subcommand leaves alone what was said before its name."""
    default = argparse.SUPPRESS if inner else False
    group = parser.add_mutually_exclusive_group()
    group.add_argument("-v", "--verbose", action="store_true", default=default, help="log what happens inside")
    group.add_argument("-q", "--quiet", action="store_true", default=default, help="errors only")
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        default=argparse.SUPPRESS if inner else "text",
        help="of the log on stderr (default: text)",
    )


def add_encoding(parser: argparse.ArgumentParser) -> None:
    """How a picture is turned into a stream."""
    group = parser.add_argument_group("encoding")
    prompt = group.add_mutually_exclusive_group()
    prompt.add_argument("--prompt", metavar="TEXT", help="what the picture shows; else found beside or in it")
    prompt.add_argument("--prompts", type=Path, metavar="DIR_OR_JSON", help="prompts by picture name")
    group.add_argument("--prompt-level", metavar="NAME", help="level of detail, where a prompt has several")
    group.add_argument(
        "--captioner",
        choices=("blip", "blip2", "mini", "none"),
        help="write a prompt where none is found (default: the best that is installed; mini always is)",
    )
    structure = group.add_mutually_exclusive_group()
    structure.add_argument(
        "--structure",
        choices=("canny", "pidinet", "hed", "openpose", "none"),
        default="canny",
        help="how lines are found; openpose: people alone (default: %(default)s)",
    )
    structure.add_argument("--edges", type=Path, metavar="PATH", help="use this drawing of the edges")
    group.add_argument(
        "--skeleton",
        "--keypoints",
        dest="keypoints",
        type=Path,
        metavar="PATH",
        help="send people's poses from this OpenPose JSON, too (with --structure none: in place of lines)",
    )
    group.add_argument(
        "--order",
        choices=("paper", "cheapest"),
        default="paper",
        help="after the words: lines then colours as in the paper, or the smaller first (default: %(default)s)",
    )
    group.add_argument("--nested", action="store_true", help="coarse lines and colours first, refined by what follows")
    size = group.add_mutually_exclusive_group()
    size.add_argument("--budget", type=int, metavar="BYTES", help="bytes in all (default: 0.02 bit per pixel)")
    size.add_argument("--bpp", type=float, metavar="X", help="bits per pixel in all")
    group.add_argument("--canvas", metavar="WxH", help="size to draw at, multiples of 64 (default: long side 512)")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="of the starting noise (default: %(default)s)")
    group.add_argument("--model", default="mini", metavar="NAME", help="model meant to draw it (default: %(default)s)")


def recipe_of(options: argparse.Namespace) -> "EncodeOptions":
    """The recipe that the encoding arguments describe."""
    from codec.encoder.picture import EncodeOptions
    from codec.image_io import parse_canvas

    return EncodeOptions(
        prompt=options.prompt,
        prompts=options.prompts,
        prompt_level=options.prompt_level,
        captioner=options.captioner,
        structure=options.structure,
        edges=options.edges,
        keypoints=options.keypoints,
        canvas=None if options.canvas is None else parse_canvas(options.canvas),
        budget=options.budget,
        bpp=options.bpp,
        seed=options.seed,
        model=options.model,
        order=options.order,
        nested=options.nested,
    )


def add_rendering(parser: argparse.ArgumentParser) -> None:
    """What a picture is drawn with."""
    group = parser.add_argument_group("rendering")
    group.add_argument(
        "--model",
        metavar="NAME",
        help="mini, sd15, sd15-lcm, a local folder or a hub id (see: layercast models list)",
    )
    group.add_argument("--steps", type=int, metavar="N", help="denoising steps (default: the model's own)")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: %(default)s)")
    add_performance(group)
    group.add_argument("--guidance", type=float, metavar="X", help="how closely words are followed; 1 is off")
    group.add_argument("--negative-prompt", metavar="TEXT", help="what guidance leads away from")
    group.add_argument(
        "--weight",
        action="append",
        default=[],
        metavar="CONDITION=X",
        help="how closely edges, colors or skeleton are followed, 0 to 2, as in edges=0.7; may be repeated",
    )


def tuning_of(options: argparse.Namespace) -> "Tuning":
    """What the rendering arguments want otherwise than the model's settings have it.

    Raises:
        UsageError: a weight is not of the form CONDITION=NUMBER.
    """
    from receiver.rendering.settings.settings import Condition, Tuning

    weights = {}
    for wish in options.weight:
        name, _, number = wish.partition("=")
        try:
            weights[Condition(name.strip().lower())] = float(number)
        except ValueError as error:
            known = ", ".join(condition.value for condition in Condition)
            raise UsageError(f"a weight is CONDITION=NUMBER with one of {known}, not {wish!r}") from error
    return Tuning(guidance=options.guidance, negative_prompt=options.negative_prompt, weights=weights)


def add_performance(parser: argparse._ActionsContainer) -> None:
    """`--performance`."""
    parser.add_argument(
        "--performance",
        default="auto",
        choices=("auto", "plain", "compiled", "graphs", "openvino", "low-memory"),
        help="how the model is run (default: the fastest that agrees, see: layercast models check)",
    )


def add_link(parser: argparse.ArgumentParser, default: str | None = None) -> None:
    """How the link is emulated."""
    group = parser.add_argument_group("link")
    group.add_argument(
        "--link",
        metavar="PROFILE",
        default=default,
        help="emulate a link: gsm, lora-sf7, lora-sf9, iridium, nb-iot, acoustic, lte-m or fast"
        + (" (default: %(default)s)" if default else ""),
    )
    group.add_argument("--rate", type=float, metavar="BIT/S", help="emulate a link of this rate")


def host_and_port(address: str) -> tuple[str, int]:
    """Read "HOST:PORT", as in 127.0.0.1:8080 or [::1]:8080.

    Raises:
        UsageError: it is not of that form.
    """
    host, colon, port = address.rpartition(":")
    with contextlib.suppress(ValueError):
        if colon and host and 0 <= int(port) <= 65535:
            return host.removeprefix("[").removesuffix("]"), int(port)
    raise UsageError(f"an address is HOST:PORT, such as 127.0.0.1:8080, not {address!r}")


def byte_count(text: str) -> int | None:
    """Read a size such as 500MB, 1.5 GiB or 2TB, in bytes; "all" is None.

    Raises:
        UsageError: it is of another form. A number alone is, too: whoever forgets a unit would keep next to nothing.
    """
    if text == "all":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([MGT])(i?)B", text)
    if found is None or not float(found[1]):
        raise UsageError(f"a size is a number with MB, GB or TB, such as 500MB, or all; not {text!r}")
    unit: int = (1024 if found[3] else 1000) ** (2 + "MGT".index(found[2]))
    return round(float(found[1]) * unit)
