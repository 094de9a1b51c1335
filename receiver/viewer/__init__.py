"""The live page: shows pictures in browsers as they arrive. Importing this package starts nothing."""

from receiver.viewer.options import ViewerOptions
from receiver.viewer.server import Viewer

__all__ = ["Viewer", "ViewerOptions"]
