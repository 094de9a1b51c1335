"""The live page: pictures as they arrive, for any browser on the network. Importing this starts nothing."""

from receiver.viewer.server import Viewer

__all__ = ["Viewer"]
