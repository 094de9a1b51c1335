"""A scenario: pictures, links, workload, rivals, rendering, measures, and the axes of its grid."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from evaluation.simulation.links.loss import check_share
from evaluation.simulation.links.model import SimulatedLink
from layercast_common.errors import UsageError
from sender.connection.layer_order import ORDERS

#: How pictures come.
ARRIVALS = ("fixed", "poisson", "together", "times")

#: The transports that are emulated; see `transmission/carriers.py`.
TRANSPORTS = ("datagram", "websocket", "webrtc", "mqtt")

#: Other formats.
RIVALS = ("jpeg", "jpeg-progressive", "webp", "avif", "jxl")

#: How the size of a rival's file is chosen: the bytes of ours, or the quality of ours in the end.
RIVAL_SIZES = ("bytes", "quality")

#: Figures of quality by name, and whether more is better.
FIGURES = {"ssim": True, "psnr": True, "edge_f1": True, "gmsd": False, "color_difference": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Which pictures come when, and what happens meanwhile.

    Attributes:
        arrivals: fixed (one every `every` seconds), poisson (at random, `every` on average), together (all at 0), or
            times.
        every: seconds between pictures.
        times: for arrivals "times": when each picture comes, in seconds.
        senders: how many senders share the link; they take turns with the pictures.
        lifetime: after so many seconds the unsent parts of a picture are dropped; 0 for never.
        joins_at: when the receiver appears, in seconds.
        restarts: when the receiver restarts and forgets unfinished pictures, in seconds.
        away: how long a restart takes, in seconds.
        tail: how long the simulation waits for pictures after the last one came, in seconds.
    """

    arrivals: str = "fixed"
    every: float = 30.0
    times: tuple[float, ...] = ()
    senders: int = 1
    lifetime: float = 0.0
    joins_at: float = 0.0
    restarts: tuple[float, ...] = ()
    away: float = 5.0
    tail: float = 7200.0

    def __post_init__(self) -> None:
        if self.arrivals not in ARRIVALS:
            raise UsageError(f"arrivals are {', '.join(ARRIVALS)}, not '{self.arrivals}'")
        for name in ("every", "lifetime", "joins_at", "away", "tail"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UsageError(f"a workload's {name} is a number of seconds, not {getattr(self, name)}")
        if any(not 0 <= time < math.inf for time in (*self.times, *self.restarts)):
            raise UsageError("times and restarts are numbers of seconds from 0 on")
        if self.arrivals == "times" and not self.times:
            raise UsageError('arrivals = "times" needs times = [...]')
        if not 1 <= self.senders <= 64:
            raise UsageError(f"1 to 64 senders can share a link, not {self.senders}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """How frames are made from layers.

    Attributes:
        model: a model's name or folder; "none" shows lines and colours without a model, and no picture from text alone.
        cost: seconds until the first and the last frame of a rendering. None: nothing for "none", and measured on this
            machine for a model.
    """

    model: str = "none"
    cost: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.cost is not None and not 0 <= self.cost[0] <= self.cost[1] < math.inf:
            raise UsageError("a rendering's cost is FIRST/WHOLE in seconds, with 0 <= FIRST <= WHOLE")

    @classmethod
    def parse(cls, text: str) -> "Rendering":
        """Parse `none`, `mini`, `cost=FIRST/WHOLE` or `mini,cost=FIRST/WHOLE`.

        Raises:
            UsageError: the text has another form.
        """
        model, cost = "none", None
        for part in text.split(","):
            if part.startswith("cost="):
                try:
                    first, whole = map(float, part.removeprefix("cost=").split("/"))
                except ValueError as error:
                    raise UsageError(f"a cost is cost=FIRST/WHOLE in seconds, not {part!r}") from error
                cost = (first, whole)
            elif part:
                model = part
        return cls(model=model, cost=cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivals:
    """The other formats on the same link.

    Attributes:
        formats: names of `RIVALS`.
        sizes: how the size of their files is chosen; each gives a row of its own.
    """

    formats: tuple[str, ...] = ("jpeg-progressive", "webp", "avif", "jxl")
    sizes: tuple[str, ...] = ("bytes", "quality")

    def __post_init__(self) -> None:
        for known, chosen, what in ((RIVALS, self.formats, "rivals"), (RIVAL_SIZES, self.sizes, "sizes of rivals")):
            wrong = [name for name in chosen if name not in known]
            if wrong:
                raise UsageError(f"{what} are {', '.join(known)}, not '{wrong[0]}'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """What counts.

    Attributes:
        figure: the figure of quality: ssim, psnr, edge_f1, gmsd or color_difference.
        recognisable: a picture counts as recognisable from these values on, all of them: (figure, value) pairs.
        span: the log-time span of the area under the quality, in seconds after the offer: (from, to).
    """

    figure: str = "ssim"
    recognisable: tuple[tuple[str, float], ...] = (("ssim", 0.5), ("edge_f1", 0.5))
    span: tuple[float, float] = (0.1, 1000.0)

    def __post_init__(self) -> None:
        wrong = [name for name in (self.figure, *(name for name, _ in self.recognisable)) if name not in FIGURES]
        if wrong:
            raise UsageError(f"figures are {', '.join(FIGURES)}, not '{wrong[0]}'")
        if not 0 < self.span[0] < self.span[1] < math.inf:
            raise UsageError("a span is [FROM, TO] in seconds, with 0 < FROM < TO")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The axes of the grid; an empty one keeps each link's own values.

    Attributes:
        rates: rates of both directions, in bit/s.
        losses: shares of packets lost at random in both directions.
        budgets: most bytes of a stream.
        orders: orders of layers.
        transports: names of `TRANSPORTS`.
        repair: whether repair packets (FEC) are sent.
        seeds: each repeats everything with other random numbers.
    """

    rates: tuple[float, ...] = ()
    losses: tuple[float, ...] = ()
    budgets: tuple[int, ...] = (655,)
    orders: tuple[str, ...] = ("paper",)
    transports: tuple[str, ...] = ("datagram",)
    repair: tuple[bool, ...] = (True,)
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        if any(not 0 < rate < math.inf for rate in self.rates):
            raise UsageError("rates are positive numbers of bit/s")
        for loss in self.losses:
            check_share("a loss", loss, below=True)
        if any(budget <= 0 for budget in self.budgets):
            raise UsageError("budgets are positive numbers of bytes")
        for known, chosen, what in (
            (tuple(ORDERS), self.orders, "orders"),
            (TRANSPORTS, self.transports, "transports"),
        ):
            wrong = [name for name in chosen if name not in known]
            if wrong:
                raise UsageError(f"{what} are {', '.join(known)}, not '{wrong[0]}'")
        if not (self.budgets and self.orders and self.transports and self.repair and self.seeds):
            raise UsageError("a grid needs at least one budget, order, transport, repair and seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything that a simulation depends on.

    Attributes:
        name: the scenario's name.
        images: the picture files, in order.
        links: the links.
        workload, rivals, rendering, measures, grid: see there.
    """

    name: str
    images: tuple[Path, ...]
    links: tuple[SimulatedLink, ...]
    workload: Workload = field(default_factory=Workload)
    rivals: Rivals = field(default_factory=Rivals)
    rendering: Rendering = field(default_factory=Rendering)
    measures: Measures = field(default_factory=Measures)
    grid: Grid = field(default_factory=Grid)

    def __post_init__(self) -> None:
        if not self.images:
            raise UsageError("a scenario needs pictures")
        if not self.links:
            raise UsageError("a scenario needs a link")
        if len({link.name for link in self.links}) < len(self.links):
            raise UsageError("two links of a scenario have the same name")
        if self.grid.rates and any(link.there.trace or link.there.opportunities for link in self.links):
            raise UsageError("a link with a trace has its own rates; leave out the rates of the grid")
        if self.workload.arrivals == "times" and len(self.workload.times) < len(self.images):
            raise UsageError(f"{len(self.workload.times)} times for {len(self.images)} pictures")
