"""The size of a cluster of engines. Loads no ray."""

import math
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
        gpus: GPUs reserved for one replica, fractions included; 0 or more. None shares out the cluster's GPUs evenly.

    Raises:
        UsageError: a number outside its range.
    """

    replicas: int = 2
    capacity: int = CAPACITY
    cpus: float = 1.0
    gpus: float | None = None

    def __post_init__(self) -> None:
        if self.replicas < 1:
            raise UsageError(f"a cluster needs at least one replica, not {self.replicas}")
        if self.capacity < 1:
            raise UsageError(f"the capacity of a cluster is at least one picture, not {self.capacity}")
        if self.cpus < 0 or (self.gpus or 0) < 0:
            raise UsageError(f"a replica needs 0 or more CPUs and GPUs, not {self.cpus:g} and {self.gpus or 0:g}")

    def choose_gpus(self, available: float, device: str) -> float:
        """Return the GPUs to reserve for each replica.

        Ray hides all GPUs from a replica that reserved none, and starts no replica whose share is not free.

        Args:
            available: GPUs of the whole cluster.
            device: the device that replicas load the model to, see `load_model`.

        Raises:
            UsageError: the replicas would need more GPUs than there are, or a device that Ray does not show them.
        """
        kind, _, number = device.partition(":")
        if kind == "cuda" and number not in ("", "0"):
            raise UsageError(
                f"Ray assigns GPUs to replicas and each sees its own as cuda:0; use --device cuda, not {device}"
            )
        if self.gpus is not None:
            # A share of a GPU lies on one GPU: two shares of 0.75 take two.
            fitting = (
                available // self.gpus if self.gpus >= 1 else available * (1 // self.gpus) if self.gpus else math.inf
            )
            if fitting < self.replicas:
                raise UsageError(
                    f"{self.replicas} replicas with {self.gpus:g} GPUs each need more than the cluster's {available:g};"
                    " use a smaller --gpus-per-replica, or fewer replicas"
                )
            return self.gpus
        if kind not in ("auto", "cuda"):
            return 0.0
        if available < 1:
            if kind == "cuda":
                raise UsageError(
                    "the cluster has no GPU for --device cuda; use --device cpu, or add a machine with one"
                )
            return 0.0
        # Whole shares of one GPU: with 3 GPUs for 4 replicas, shares of 0.75 would leave the fourth without a place.
        return 1.0 if available >= self.replicas else 1.0 / math.ceil(self.replicas / int(available))
