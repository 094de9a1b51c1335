"""The frames that a watcher would have seen: which picture was shown when, after how many bytes, how good."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.simulation.pictures.prepared import PreparedPicture, RivalPlan
from evaluation.simulation.transmission.events import RunEvent


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """A frame on the watcher's screen.

    Attributes:
        t: when it was shown, in seconds since the picture was offered.
        size: bytes of the picture that had used the link by then, all headers included.
        key: names its pixels in the picture's store.
        figures: its quality.
    """

    t: float
    size: int
    key: str
    figures: dict[str, float]

    def row(self) -> dict[str, Any]:
        """Return the frame as JSON."""
        figures = {name: round(value, 4) for name, value in self.figures.items()}
        return {"t": round(self.t, 6), "bytes": self.size, "key": self.key, **figures}


def bytes_by(events: Iterable[RunEvent], picture: int) -> Callable[[float], int]:
    """Return a function of time: the bytes of a picture that had been put on the link."""
    sent = [(event.t, event.size) for event in events if event.event == "sent" and event.picture == picture]
    return lambda now: sum(size for at, size in sent if at <= now)


def layered_frames(
    events: Sequence[RunEvent], picture: int, prepared: PreparedPicture, cost: tuple[float, float]
) -> list[ShownFrame]:
    """Return the frames of one of our pictures.

    Each section that arrives starts a rendering of everything known; a rendering in progress ends when the next one
    has its first frame. Every picture has the renderer to itself.

    Args:
        events: of the run.
        picture: the picture's index.
        prepared: knows what each state shows.
        cost: seconds until the first and the last frame of a rendering.
    """
    offered = next(event.t for event in events if event.event == "offered" and event.picture == picture)
    size_at = bytes_by(events, picture)
    held: set[int] = set()
    shown: list[tuple[float, dict[str, Any]]] = []
    arrivals = sorted((event.t, event.section) for event in events if _is_section(event, picture))
    for place, (at, section) in enumerate(arrivals):
        if any(event.event == "restarted" and event.t <= at for event in events) and section in held:
            # The receiver has forgotten the picture, and gets its sections again.
            continue
        held.add(section)
        if place + 1 < len(arrivals) and arrivals[place + 1][0] == at:
            continue
        frames = prepared.frames(held)
        # A rendering without an early frame ends after the whole time.
        times = cost if len(frames) > 1 else cost[1:]
        first = at + times[0]
        # What an older rendering would have shown after the first frame of this one is not shown.
        shown = [one for one in shown if one[0] < first]
        shown += [(at + seconds, frame) for seconds, frame in zip(times, frames, strict=False)]
    return [ShownFrame(t - offered, size_at(t), frame["key"], frame["figures"]) for t, frame in shown]


def _is_section(event: RunEvent, picture: int) -> bool:
    return event.event == "section" and event.picture == picture


def rival_frames(events: Sequence[RunEvent], picture: int, plan: RivalPlan) -> list[ShownFrame]:
    """Return the frames of a rival's picture: whenever the bytes without a gap suffice for a better part."""
    offered = next(event.t for event in events if event.event == "offered" and event.picture == picture)
    size_at = bytes_by(events, picture)
    frames: list[ShownFrame] = []
    shown = 0
    for event in events:
        if event.event != "part" or event.picture != picture:
            continue
        fitting = [(count, figures) for count, figures in plan.parts if shown < count <= event.size and figures]
        if fitting:
            shown, figures = fitting[-1]
            assert figures is not None
            key = f"rivals/{plan.name}-{shown}"
            frames.append(ShownFrame(event.t - offered, size_at(event.t), key, figures))
    return frames
