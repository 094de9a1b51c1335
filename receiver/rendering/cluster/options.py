"""The size of a cluster of engines. Loads no ray."""

from dataclasses import dataclass

from layercast_common.errors import UsageError

#: Pictures under way at once on all replicas together, by default.
CAPACITY = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """How many replicas a cluster runs, and what each needs.

    Attributes:
        replicas: engines, each with its own copy of the model; at least 1.
        capacity: most pictures under way at once; more are refused. At least 1.
        cpus: CPU cores reserved for one replica; 0 or more.
        gpus: GPUs reserved for one replica, fractions included; 0 or more.

    Raises:
        UsageError: a number outside its range.
    """

    replicas: int = 2
    capacity: int = CAPACITY
    cpus: float = 1.0
    gpus: float = 0.0

    def __post_init__(self) -> None:
        if self.replicas < 1:
            raise UsageError(f"a cluster needs at least one replica, not {self.replicas}")
        if self.capacity < 1:
            raise UsageError(f"the capacity of a cluster is at least one picture, not {self.capacity}")
        if self.cpus < 0 or self.gpus < 0:
            raise UsageError(f"a replica needs 0 or more CPUs and GPUs, not {self.cpus:g} and {self.gpus:g}")
