"""The ``ohmgate`` command: one file for each sub-command, thin over the other packages."""

import os

# Before numpy is loaded: the matrices are small, and BLAS threads beside a simulation only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
