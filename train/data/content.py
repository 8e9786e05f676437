"""What data are, whatever their file and the machine: one hash of shapes, types, values and names."""

import hashlib
import json
from collections.abc import Iterable, Sequence

import numpy as np


def content_hash(arrays: Iterable[np.ndarray | None], names: Sequence[Sequence[str]]) -> str:
    """SHA-256 of ``arrays`` in their order, of which some may be missing, and of ``names``."""
    found = hashlib.sha256(json.dumps([list(part) for part in names]).encode())
    for array in arrays:
        if array is None or np.asarray(array).dtype.kind not in "fiub":  # none, or names of groups
            entries = None if array is None else [str(entry) for entry in np.ravel(array)]
            found.update(json.dumps(entries).encode())
            continue
        plain = np.ascontiguousarray(array, np.asarray(array).dtype.newbyteorder("<"))
        found.update(f"{plain.dtype.str} {plain.shape}".encode())
        found.update(plain.data)
    return found.hexdigest()
