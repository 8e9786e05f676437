"""The paper's experiments as grids of trials, and how they are run."""
