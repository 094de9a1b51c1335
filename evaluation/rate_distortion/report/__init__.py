"""Plots, contact sheets and pages of a run."""
