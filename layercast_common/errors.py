"""All errors that layercast raises on purpose, in one tree.

LayercastError
├── UsageError                 an argument or option does not make sense
├── CodecError
│   ├── PictureError           a picture cannot be read, or is too large
│   ├── PromptError            a prompt is missing or cannot be read
│   ├── BitstreamError         the bytes are not a layercast stream, or are damaged
│   │   └── TruncatedError     the bytes end early; the start may still decode with `partial=True`
│   └── BudgetError            the budget is smaller than the smallest possible stream
├── ProtocolError
│   ├── LocalProtocolError     our side tried something that the protocol forbids
│   ├── RemoteProtocolError    the peer broke the protocol; carries the error code to send to it
│   └── PacketError            a packet is malformed, too large, or fails its check
├── TransportError
│   ├── ConnectError           the peer cannot be reached
│   ├── ListenError            the address cannot be listened on
│   └── DisconnectedError      the connection ended before the work was done
├── AuthenticationError        one side refused the other's token
├── StorageError               a file or folder cannot be read or written; carries its path and errno
│   ├── ArchiveError           an archive cannot be opened, read or written
│   └── OutboxError            an outbox is in use by another process, is not an outbox, or cannot be read or written
│       └── OutboxFullError    the outbox has reached its limit
├── RenderError
│   ├── UnknownModelError      no model of that name, hub id or folder exists
│   ├── MissingModelError      the model is known, but its files are not on this machine
│   ├── ModelFilesError        a model folder lacks a part, or a part is damaged
│   ├── EngineBusyError        the engine has reached its limit of pictures
│   ├── DeviceMemoryError      the device's memory is too small for one picture
│   └── NotFiniteError         a model computed infinite or undefined numbers in place of a picture
└── MissingExtraError          an optional dependency is missing; names the extra to install
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
    "DeviceMemoryError",
    "DisconnectedError",
    "EngineBusyError",
    "LayercastError",
    "ListenError",
    "LocalProtocolError",
    "MissingExtraError",
    "MissingModelError",
    "ModelFilesError",
    "NotFiniteError",
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
    """Root of all errors. The text is one line for a person, with the way out where there is one."""


class UsageError(LayercastError, ValueError):
    """An argument or option does not make sense."""


class CodecError(LayercastError):
    """A picture, prior or stream cannot be encoded or decoded."""


class PictureError(CodecError):
    """A picture cannot be read, or is too large."""


class PromptError(CodecError):
    """A prompt is missing or cannot be read."""


class BitstreamError(CodecError):
    """The bytes are not a layercast stream, or are damaged."""


class TruncatedError(BitstreamError):
    """The bytes end early; the start may still decode with `partial=True`."""


class BudgetError(CodecError):
    """The budget is smaller than the smallest possible stream.

    Attributes:
        budget: the budget, in bytes.
        needed: the smallest budget that suffices, in bytes.
    """

    def __init__(self, budget: int, needed: int, what: str) -> None:
        super().__init__(f"a budget of {budget} bytes cannot hold {what}, which needs {needed}; raise --budget")
        self.budget = budget
        self.needed = needed


class ProtocolError(LayercastError):
    """A peer or our side broke the protocol."""


class LocalProtocolError(ProtocolError):
    """Our side tried something that the protocol forbids."""


class RemoteProtocolError(ProtocolError):
    """The peer did something that the protocol forbids.

    Attributes:
        code: the protocol's error code to send to the peer.
    """

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class PacketError(ProtocolError):
    """A packet is malformed, too large, or fails its check."""


class TransportError(LayercastError):
    """A connection cannot be opened, or broke."""


class ConnectError(TransportError):
    """The peer cannot be reached."""


class ListenError(TransportError):
    """The address cannot be listened on."""


class DisconnectedError(TransportError):
    """The connection ended before the work was done."""


class AuthenticationError(LayercastError):
    """One side refused the other's token."""


class StorageError(LayercastError):
    """A file or folder cannot be read or written.

    Attributes:
        path: the file or folder, if known.
        errno: the operating system's error number, such as `errno.ENOSPC`, if known.
    """

    def __init__(self, message: str, *, path: str | os.PathLike[str] | None = None, errno: int | None = None) -> None:
        super().__init__(message)
        self.path = None if path is None else os.fspath(path)
        self.errno = errno

    @classmethod
    def of(cls, error: OSError, path: str | os.PathLike[str], what: str = "") -> Self:
        """Build the error for a failed system call.

        Args:
            error: the operating system's error.
            path: the file or folder.
            what: the operation that failed, such as "cannot be removed"; optional.
        """
        reason = error.strerror or str(error)
        return cls(f"{os.fspath(path)}{' ' + what if what else ''}: {reason}", path=path, errno=error.errno)

    @classmethod
    def convert(cls, error: "StorageError") -> Self:
        """Build an error of this class with the text, path and errno of another."""
        return cls(str(error), path=error.path, errno=error.errno)


class ArchiveError(StorageError):
    """An archive cannot be opened, read or written."""


class OutboxError(StorageError):
    """An outbox is in use by another process, is not an outbox, or cannot be read or written."""


class OutboxFullError(OutboxError):
    """The outbox has reached its limit; it did not accept the picture."""


class RenderError(LayercastError):
    """A picture cannot be rendered."""


class UnknownModelError(RenderError):
    """No model of that name, hub id or folder exists."""


class MissingModelError(RenderError):
    """The model is known, but its files are not on this machine."""


class ModelFilesError(RenderError):
    """A model folder lacks a part, or a part is damaged."""


class EngineBusyError(RenderError):
    """The engine has reached its limit of pictures.

    Attributes:
        capacity: the limit.
    """

    def __init__(self, capacity: int) -> None:
        super().__init__(f"the rendering engine is busy with {capacity} pictures, its limit; try again later")
        self.capacity = capacity


class DeviceMemoryError(RenderError):
    """The device's memory is too small for one picture, even decoded in tiles."""


class NotFiniteError(RenderError):
    """A model computed infinite or undefined numbers in place of a picture."""


class MissingExtraError(LayercastError):
    """An optional dependency is missing.

    Attributes:
        extra: the extra of this distribution that installs it.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the '{extra}' extra: pip install 'layercast[{extra}]'")
        self.extra = extra
