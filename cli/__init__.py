"""The ``ohmgate`` command: one file for each sub-command, thin over the other packages."""

import os

if __name__ != "ohmgate.cli":
    raise ImportError(f"the name of this package is ohmgate.cli, not {__name__}")

# Before numpy is loaded: the matrices are small, and BLAS threads beside a simulation only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
