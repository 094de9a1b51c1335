"""Every error that layercast raises on purpose, in one tree.

LayercastError
├── UsageError                 the caller asked for something that does not make sense
├── CodecError
│   ├── PictureError           a picture cannot be read, or is too large to be
│   ├── PromptError            no prompt where one was promised, or none that can be read
│   ├── BitstreamError         the bytes are not a layercast stream, or are damaged
│   │   └── TruncatedError     the bytes stop early; what came before may still decode with `partial=True`
│   └── BudgetError            the budget cannot hold even the least that was asked for
├── ProtocolError
│   ├── LocalProtocolError     we tried to do what the protocol does not allow
│   ├── RemoteProtocolError    the peer did; carries the code that tells it so
│   └── PacketError            a packet is malformed, too large, or fails its check
├── TransportError
│   ├── ConnectError           no connection to the far side
│   ├── ListenError            the address cannot be listened on
│   └── DisconnectedError      the connection ended before the work was done
├── AuthenticationError        the far side refused the token, or we refused theirs
├── StorageError               a file or folder cannot be read or written; carries its path and errno
│   ├── ArchiveError           an archive cannot be used, read or written
│   └── OutboxError            an outbox is in use elsewhere, is none, or cannot be read or written
│       └── OutboxFullError    it holds as much as it may
├── RenderError
│   ├── UnknownModelError      no model of that name, hub id or folder
│   ├── MissingModelError      a known model whose files are not on this machine
│   ├── ModelFilesError        a model folder that lacks a part or holds a broken one
│   └── EngineBusyError        the engine holds as many pictures as it takes
└── MissingExtraError          an optional dependency is needed; names the extra that brings it
"""

import os
from typing import Self

__all__ = [
    "ArchiveError",
    "AuthenticationError",
    "BitstreamError",
    "BudgetError",
    "CodecError",
    "ConnectError",
    "DisconnectedError",
    "EngineBusyError",
    "LayercastError",
    "ListenError",
    "LocalProtocolError",
    "MissingExtraError",
    "MissingModelError",
    "ModelFilesError",
    "OutboxError",
    "OutboxFullError",
    "PacketError",
    "PictureError",
    "PromptError",
    "ProtocolError",
    "RemoteProtocolError",
    "RenderError",
    "StorageError",
    "TransportError",
    "TruncatedError",
    "UnknownModelError",
    "UsageError",
]


class LayercastError(Exception):
    """Root of all errors; its text is one line fit for a person, with the way out where there is one."""


class UsageError(LayercastError, ValueError):
    """The caller asked for something that does not make sense."""


class CodecError(LayercastError):
    """A picture, prior or stream could not be coded or decoded."""


class PictureError(CodecError):
    """A picture cannot be read, or is too large to be."""


class PromptError(CodecError):
    """No prompt where one was promised, or none that can be read."""


class BitstreamError(CodecError):
    """The bytes are not a layercast stream, or are damaged."""


class TruncatedError(BitstreamError):
    """The bytes stop early; what came before may still decode with `partial=True`."""


class BudgetError(CodecError):
    """The budget cannot hold even the least that was asked for.

    Attributes:
        budget: what was allowed, in bytes.
        needed: the least that would do, in bytes.
    """

    def __init__(self, budget: int, needed: int, what: str) -> None:
        super().__init__(f"a budget of {budget} bytes cannot hold {what}, which needs {needed}; raise --budget")
        self.budget = budget
        self.needed = needed


class ProtocolError(LayercastError):
    """The conversation with a peer broke a rule."""


class LocalProtocolError(ProtocolError):
    """We tried to do what the protocol does not allow."""


class RemoteProtocolError(ProtocolError):
    """The peer did what the protocol does not allow.

    Attributes:
        code: the protocol's error code that tells the peer so.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class PacketError(ProtocolError):
    """A packet is malformed, too large, or fails its check."""


class TransportError(LayercastError):
    """A link could not be opened, or did not last."""


class ConnectError(TransportError):
    """No connection to the far side."""


class ListenError(TransportError):
    """The address cannot be listened on."""


class DisconnectedError(TransportError):
    """The connection ended before the work was done."""


class AuthenticationError(LayercastError):
    """The far side refused the token, or we refused theirs."""


class StorageError(LayercastError):
    """A file or folder cannot be read or written.

    Attributes:
        path: the file or folder, where there is one.
        errno: the system's number of the cause, such as `errno.ENOSPC`, where there is one.
    """

    def __init__(self, message: str, *, path: str | os.PathLike[str] | None = None, errno: int | None = None) -> None:
        super().__init__(message)
        self.path = None if path is None else os.fspath(path)
        self.errno = errno

    @classmethod
    def of(cls, error: OSError, path: str | os.PathLike[str], what: str = "") -> Self:
        """The error for a failed system call.

        Args:
            error: what the system said.
            path: the file or folder.
            what: what was tried, such as "cannot be removed"; the system's own words alone if empty.
        """
        said = error.strerror or str(error)
        return cls(f"{os.fspath(path)}{' ' + what if what else ''}: {said}", path=path, errno=error.errno)


class ArchiveError(StorageError):
    """An archive cannot be used, read or written."""


class OutboxError(StorageError):
    """An outbox is in use by another process, is none, or cannot be read or written."""


class OutboxFullError(OutboxError):
    """The outbox holds as much as it may; what was refused was not accepted."""


class RenderError(LayercastError):
    """A picture could not be rendered."""


class UnknownModelError(RenderError):
    """No model of that name, hub id or folder."""


class MissingModelError(RenderError):
    """A known model whose files are not on this machine."""


class ModelFilesError(RenderError):
    """A model folder that lacks a part or holds a broken one."""


class EngineBusyError(RenderError):
    """The engine holds as many pictures as it takes.

    Attributes:
        capacity: how many these are.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__(f"the rendering engine is busy with {capacity} pictures, its limit; try again later")
        self.capacity = capacity


class MissingExtraError(LayercastError):
    """An optional dependency is needed.

    Attributes:
        extra: the extra of this distribution that brings it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the '{extra}' extra: pip install 'layercast[{extra}]'")
        self.extra = extra
