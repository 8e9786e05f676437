"""The paper's experiments as grids of cells, and how they are run."""
