"""Rendering on a Ray cluster: the engine's interface here, engines as replicas there."""
