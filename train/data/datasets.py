"""Data sets by their names: of the package, of the data folder, of a user's own file."""

import os
import zipfile
from importlib import resources
from pathlib import Path

import numpy as np

from ...model.formats import DesignError
from .fetch import DATA_VARIABLE, fetch
from .own import own_dataset
from .sequences import SequenceDataset, Sequences

DATASETS = ("vowels", "har")
CONTENTS = {
    "vowels": "c2bb279c3ecb243931f06b4f727becaf8e42cf96033dc4a64d2784a8a8192377",
    "har": "b9d0153871fcc037c0e48eba3365f4bc537d3ecb8b42104e3fb04d65fd676cfa",
}  #: their :attr:`SequenceDataset.content`
TEXTS = ("names", "ptb")  #: to learn the next token of (:mod:`.corpora`)


def load_dataset(name: str, folder: str | Path | None = None) -> SequenceDataset:
    """A data set by name, or of a user's .npz file (:mod:`.own`).

    ``har`` is read from ``folder``, by default $OHMGATE_DATA, else fetched. Raises :class:`DesignError` for a name
    that is not known or data that are not there.
    """
    if is_file(name):
        return own_dataset(name)
    if name in TEXTS:
        raise DesignError(f"{name} is a text to learn the next token of, which has no labels")
    if name not in DATASETS:
        raise DesignError(f"data set must be one of {', '.join((*DATASETS, *TEXTS))} or a .npz file, not {name!r}")
    return vowels() if name == "vowels" else har(folder)


def is_file(name: str) -> bool:
    """Does ``name`` say a user's own file?"""
    return str(name).endswith(".npz")


def data_file(name: str, folder: str | Path | None) -> Path:
    """Path of a file in the data folder, by default $OHMGATE_DATA; without any, of the file fetched.

    Raises :class:`DesignError` where it is missing.
    """
    folder = os.environ.get(DATA_VARIABLE) if folder is None else folder
    if folder is None:
        return fetch(name)
    path = Path(folder) / name
    if not path.is_file():
        raise DesignError(f"the data folder must have the file {name!r}, but {str(folder)!r} has none")
    return path


def har(folder: str | Path | None = None) -> SequenceDataset:
    """UCI Human Activity Recognition, raw inertial signals: 9 channels, 128 steps, 6 activities, 30 subjects.

    From ``har.npz`` with x (B, 128, 9) in g and rad/s, y and subject of _train and _test, and classes.
    """
    path = data_file("har.npz", folder)
    try:
        with np.load(path) as npz:
            parts = [
                Sequences(
                    npz[f"x_{split}"].astype(np.float32),
                    np.full(len(npz[f"y_{split}"]), npz[f"x_{split}"].shape[1]),
                    npz[f"y_{split}"].astype(np.int64),
                    npz[f"subject_{split}"].astype(np.int64),
                )
                for split in ("train", "test")
            ]
            return SequenceDataset("har", *parts, tuple(str(name).lower() for name in npz["classes"]))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        raise DesignError(
            f"file {path.name!r} must hold x, y and subject of both splits, but cannot be read"
        ) from None


def vowels() -> SequenceDataset:
    """UCI Japanese Vowels, which comes with the package (train/data/README.md): 12 channels, 9 speakers."""
    with (resources.files("ohmgate.train") / "data" / "japanese_vowels.npz").open("rb") as file, np.load(file) as npz:
        parts = {
            split: Sequences(
                padded(npz[f"x_{split}"] / 1e6, npz[f"len_{split}"]),
                npz[f"len_{split}"].astype(np.int64),
                npz[f"y_{split}"].astype(np.int64),
            )
            for split in ("train", "test")
        }
    return SequenceDataset("vowels", parts["train"], parts["test"], tuple(f"speaker {k}" for k in range(1, 10)))


def padded(frames: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Concatenated ``frames`` (sum of lengths, m) as (B, T, m) float32, 0 past each length."""
    lengths = lengths.astype(np.int64)
    features = np.zeros((len(lengths), lengths.max(), frames.shape[1]), dtype=np.float32)
    features[np.arange(lengths.max()) < lengths[:, None]] = frames
    return features
