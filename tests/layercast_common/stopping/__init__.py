"""Tests of `layercast_common.stopping`."""
