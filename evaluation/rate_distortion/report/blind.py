"""A blind comparison: one page that shows pairs without names, and counts a person's choices."""

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from evaluation.quality.figures import figure_of
from evaluation.rate_distortion.pictures import EvaluatedPicture
from evaluation.rate_distortion.report.chosen import Gallery
from evaluation.rate_distortion.report.html import data_url, embed, fill, static


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two pictures of about equal size in bytes.

    Attributes:
        picture: name of the original's file.
        budget: most bytes of either.
        ours: our picture, as a data URL.
        rival: the other one, as a data URL.
        rival_name: the other's name.
        bytes: sizes of ours and of the other.
    """

    picture: str
    budget: int
    ours: str
    rival: str
    rival_name: str
    bytes: tuple[int, int]


def find_pairs(
    gallery: Gallery, ours: str, rivals: Sequence[str], subjects: Iterable[EvaluatedPicture], budgets: Sequence[int]
) -> list[Pair]:
    """Return a pair for each picture and budget into which ours and a rival fit.

    Args:
        gallery: the pictures of a run; by its figure the best rival of each picture is chosen.
        ours: name of our contender.
        rivals: names of the others.
        subjects: the pictures.
        budgets: budgets of the run, in bytes.
    """
    pairs = []
    for subject in subjects:
        for budget in budgets:
            name = gallery.best(rivals, subject, budget)
            first = gallery.point(ours, subject, budget)
            if name is None or first is None:
                continue
            second = gallery.point(name, subject, budget)
            pixels, other = gallery.draw(ours, subject, budget), gallery.draw(name, subject, budget)
            assert second is not None
            assert pixels is not None
            assert other is not None
            sizes = (first.figures[gallery.figure].bytes, second.figures[gallery.figure].bytes)
            pair = Pair(
                picture=subject.path.name,
                budget=budget,
                ours=data_url(pixels),
                rival=data_url(other),
                rival_name=name,
                bytes=sizes,
            )
            pairs.append(pair)
    return pairs


def blind_page(pairs: Sequence[Pair], subjects: Iterable[EvaluatedPicture], figure: str, command: str) -> str:
    """Return the page.

    Args:
        pairs: at least one pair.
        subjects: the pictures of the pairs.
        figure: name of the figure that chose the rivals.
        command: the command line, for the result.
    """
    names = {pair.picture for pair in pairs}
    data = {
        "command": command,
        "pairs": [[pair.picture, pair.budget, pair.ours, pair.rival, pair.rival_name, *pair.bytes] for pair in pairs],
        "originals": {
            subject.path.name: data_url(subject.original, 85) for subject in subjects if subject.path.name in names
        },
    }
    return fill(
        static("blind.html"),
        {
            "COUNT": str(len(pairs)),
            "FIGURE": html.escape(figure_of(figure).label),
            "STYLE": static("blind.css"),
            "SCRIPT": static("blind.js"),
            "DATA": embed(data),
        },
    )
