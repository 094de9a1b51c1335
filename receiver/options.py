"""Configuration of a receiver: rendering, archive, security."""

import ssl as tls
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Union

from layercast_common.errors import UsageError
from protocol.wire.limits import Limits
from protocol.wire.seals import SharedKey
from receiver.archive.retention import KEEP_BYTES, RetentionPolicy
from receiver.permissions import Permissions
from receiver.rendering.settings.tuning import Tuning

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """How to render pictures.

    Attributes:
        model: a registered name, a hub id, a local folder, or a loaded model; None renders nothing.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        performance: the speed profile, see `receiver.rendering.Performance`.
        replicas: number of engines on a Ray cluster; 0 renders in this process.
        gpus_per_replica: GPUs reserved for each replica, fractions included; None shares out those of the cluster.
        tuning: settings that override the model's own.
        steps: denoising steps, at least 1; the model's own number if None.

    Raises:
        UsageError: `steps`, `replicas` or `gpus_per_replica` is out of range.
    """

    model: Union[str, Path, "Model", None] = "mini"
    device: str = "auto"
    performance: str = "auto"
    replicas: int = 0
    gpus_per_replica: float | None = None
    tuning: Tuning | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise UsageError(f"rendering takes at least 1 step, not {self.steps}")
        if self.gpus_per_replica is not None and self.gpus_per_replica < 0:
            raise UsageError(f"a replica has 0 or more GPUs, not {self.gpus_per_replica:g}")
        if self.replicas < 0:
            raise UsageError(f"the number of replicas is 0 or more, not {self.replicas}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveOptions:
    """Where and how long to keep streams and pictures.

    A picture is acknowledged only once its stream is on disk. Pictures already in the archive are recognised and not
    stored again. Streams that were not rendered before are rendered at the next start.

    Attributes:
        folder: the folder; created if it does not exist.
        keep: size limit in bytes on disk, beyond which the oldest pictures are evicted; None for no limit.
        keep_days: age limit in days; None for no limit.

    Raises:
        UsageError: a limit is out of range.
    """

    folder: Path | str
    keep: int | None = KEEP_BYTES
    keep_days: float | None = None

    def __post_init__(self) -> None:
        self.policy  # noqa: B018 - checks the limits

    @property
    def policy(self) -> RetentionPolicy:
        """The limits as a retention policy."""
        return RetentionPolicy(size=self.keep, days=self.keep_days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """Who may send, how connections are protected, and how much senders may use.

    Attributes:
        token: the token that senders must present; None admits everyone, unless there are permissions.
        permissions: tokens, and the streams that each may send; excludes `token`.
        ssl: for secure addresses, the certificate of this machine.
        trust: the certificates to trust in a broker; the system's if None.
        origins: web origins whose pages may send from a browser, such as "https://show.example".
        ice_servers: STUN and TURN servers for WebRTC, as URLs; not needed within one network.
        shared_key: the key that signs packets on links without TLS; senders need the same key.
        limits: limits on connections, memory and time per sender.

    Raises:
        UsageError: both `token` and `permissions` are set, or the token cannot be sent.
    """

    token: str | None = field(default=None, repr=False)
    permissions: Permissions | None = None
    ssl: tls.SSLContext | None = None
    trust: tls.SSLContext | None = None
    origins: Sequence[str] = ()
    ice_servers: Sequence[str] = ()
    shared_key: SharedKey | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if self.token is not None and self.permissions is not None:
            raise UsageError("permissions hold all tokens; add this token to them instead of giving both")
        self.access  # noqa: B018 - checks the token

    @classmethod
    def of(cls, security: "Security | None", token: str | None) -> "Security":
        """Return the options with a token from a short-cut parameter, if there is one."""
        security = security or cls()
        return security if token is None else replace(security, token=token)

    @property
    def access(self) -> Permissions | None:
        """The permissions in force; None admits everyone."""
        return self.permissions if self.token is None else Permissions.of_token(self.token)
