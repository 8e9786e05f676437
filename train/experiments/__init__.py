"""Experiments as grids of trials, and how they are run."""
