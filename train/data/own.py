"""A user's own data in one .npz file (docs/training.md has its layout)."""

import hashlib
import zipfile
import zlib
from pathlib import Path

import numpy as np

from ...model.formats import DesignError
from .sequences import SequenceDataset, Sequences

PARTS = ("x", "y", "length", "group")  #: of a split, the first two in any case
NAMES = ("classes", "outputs")
SPLITS = ("_train", "_test")
MOST = 16384  #: classes: outputs that a dense layer has at most
LOST = 0.01  #: of a channel's deviation: what rounding to 32 bits may take away
SHARE = 0.2  #: of the sequences that are held back for the test set where a file has one set


def own_dataset(path: str | Path) -> SequenceDataset:
    """The data set of a file. Raises :class:`DesignError` for one that is not of the layout.

    ``x`` (B, T, m) are features. ``y`` are integers (B,), the numbers of classes; or floating-point numbers (B,),
    (B, k) or (B, T, k), values to forecast. ``length`` (B,) and ``group`` (B,) may be left out. Each name ends in
    ``_train`` or ``_test``; without that the last fifth is the test set (:meth:`SequenceDataset.validation`).
    ``classes`` or ``outputs`` are names.
    """
    path = Path(path)
    content = path.read_bytes()
    arrays = _arrays(path)
    splits = SPLITS if any(name.endswith(SPLITS) for name in arrays) else ("",)
    known = {part + split for part in PARTS for split in splits} | set(NAMES)
    for name in sorted(set(arrays) - known):
        raise DesignError(f"data file {path.name!r} must hold {_listed(splits)}, but has {name!r}")
    for name in [part + split for part in PARTS[:2] for split in splits]:
        if name not in arrays:
            raise DesignError(f"data file {path.name!r} must hold {_listed(splits)}, but has no {name!r}")
    parts = [_sequences(arrays, split) for split in splits]
    has_values = parts[0].labels.dtype.kind == "f"
    for name, given in (("classes", has_values), ("outputs", not has_values)):
        if name in arrays and given:
            kind = "values (floating-point numbers)" if has_values else "classes (integers)"
            raise DesignError(f"data file {path.name!r} must have no {name!r}, as its y are {kind}")
    names = {name: tuple(map(str, arrays.get(name, np.array([])).reshape(-1))) for name in NAMES}
    if not has_values and "classes" not in arrays:
        most = max(
            [int(part.labels.max()) for part in parts if part.labels.dtype.kind in "iu" and part.labels.size] or [0]
        )
        if most >= MOST:
            raise DesignError(f"data file {path.name!r} must have labels from 0 to {MOST - 1}, not {most}")
        names["classes"] = tuple(f"class {number}" for number in range(max(2, most + 1)))
    made = SequenceDataset(path.name, parts[0], parts[-1], checksum=hashlib.sha256(content).hexdigest(), **names)
    return made if len(parts) == 2 else made.validation(SHARE)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path) as npz:
            arrays = {name: npz[name] for name in npz.files}
            if all(isinstance(array, np.ndarray) for array in arrays.values()):
                return arrays
            raise ValueError
    except (OSError, ValueError, TypeError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError):
        raise DesignError(f"data file {path.name!r} must be arrays of numbers that numpy.savez wrote") from None


def _sequences(arrays: dict[str, np.ndarray], split: str) -> Sequences:
    features, labels = arrays[f"x{split}"], arrays[f"y{split}"]
    if labels.ndim == 0:
        raise DesignError(f"y{split} must have a row for each sequence, not be a single number")
    _distinct(f"x{split}", features)
    steps = np.full(len(features) if features.ndim else 0, features.shape[1] if features.ndim > 1 else 0)
    lengths = arrays.get(f"length{split}", steps)
    with np.errstate(over="ignore"):  # becomes infinite, which is refused
        features = features.astype(np.float32) if features.dtype.kind in "fiub" else features
    if labels.dtype.kind == "f":
        labels = labels.astype(np.float64)
        labels = labels[:, None] if labels.ndim == 1 else labels
    elif labels.dtype.kind in "ib" or (labels.dtype.kind == "u" and labels.max(initial=0) < 2**63):
        labels = labels.astype(np.int64)
    lengths = lengths.astype(np.int64) if lengths.dtype.kind in "iu" else lengths
    return Sequences(features, lengths, labels, arrays.get(f"group{split}"))


def _distinct(name: str, features: np.ndarray) -> None:
    """Refuse channels whose values 32-bit numbers, which features are, cannot tell apart: times of day in seconds."""
    if features.ndim != 3 or features.dtype.kind not in "fiu" or not np.isfinite(features).all():
        return  # which is refused later on
    with np.errstate(over="ignore"):
        lost = np.abs(features - features.astype(np.float32)).max(axis=(0, 1), initial=0)
        spread = features.std(axis=(0, 1), dtype=np.float64) if features.size else lost
    for channel in np.flatnonzero((lost > LOST * spread) & np.isfinite(lost)):
        raise DesignError(
            f"{name} must keep its differences as 32-bit numbers, but channel {channel} has a deviation of "
            f"{spread[channel]:.3g} around {features[..., channel].mean():.6g}: take an offset off"
        )


def _listed(splits: tuple[str, ...]) -> str:
    """What a file may hold, in words."""
    needed = " and ".join(f"{part}{split}" for split in splits for part in PARTS[:2])
    more = ", ".join([*(f"{part}{split}" for split in splits for part in PARTS[2:]), *NAMES])
    return f"{needed}, and may hold {more}"
