"""CMU AN4 (census): short utterances of letters, digits and a few commands, 74 speakers to train and 10 to test."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ...model.formats import DesignError, check_integer
from ..data.content import content_hash
from ..data.datasets import data_file

CEPSTRA = 13  #: of a frame, c0 first, 100 frames a second


@dataclass(frozen=True, eq=False)
class Utterances:
    """Frames (T, 13) float32, a transcript and a speaker of each utterance."""

    frames: Sequence[np.ndarray]
    texts: Sequence[str]
    speakers: Sequence[str]

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, index: Sequence[int] | np.ndarray) -> "Utterances":
        """The utterances at ``index``."""
        return Utterances(
            [self.frames[i] for i in index], [self.texts[i] for i in index], [self.speakers[i] for i in index]
        )


@dataclass(frozen=True, eq=False)
class SpeechDataset:
    """Utterances to train with, and others to test with, by other speakers."""

    train: Utterances
    test: Utterances

    @cached_property
    def content(self) -> str:
        """SHA-256 of all frames, transcripts and speakers."""
        splits = (self.train, self.test)
        return content_hash(
            [frames for split in splits for frames in split.frames],
            [part for split in splits for part in (split.texts, split.speakers)],
        )

    def validation(self, every: int = 7) -> "SpeechDataset":
        """A data set whose test set are all utterances of every ``every``-th training speaker, by name.

        For choosing anything, the test set unseen. Raises :class:`DesignError` where that leaves no one to train
        with, or to test with.
        """
        check_integer("speakers of whom one is held back", every, 1, 1000)
        held = set(sorted(set(self.train.speakers))[every - 1 :: every])
        index = np.array([speaker in held for speaker in self.train.speakers])
        if not index.any() or index.all():
            raise DesignError(f"every {every}th speaker to hold back must leave some on either side, but does not")
        return SpeechDataset(self.train.take(np.flatnonzero(~index)), self.train.take(np.flatnonzero(index)))


def an4(folder: str | Path | None = None) -> SpeechDataset:
    """948 and 130 utterances by the official split, 69 to 639 frames (0.7 to 6.4 s) each in training.

    From ``an4_mfcc.npz``: frames feat (sum of lengths, 13) and len, text and id ("speaker/utterance") of _train and
    _test. Copyright (c) 1991-2005 Carnegie Mellon University, free for any purpose with its notice kept. A file of
    own utterances in this layout is read likewise. Raises :class:`DesignError` where the file is not there or another
    one, where frames have not 13 cepstra, and where an utterance has no frames or frames that are not finite.
    """
    path = data_file("an4_mfcc.npz", folder)
    try:
        with np.load(path) as npz:
            found = SpeechDataset(*(_split(npz, split) for split in ("train", "test")))
    except (OSError, ValueError, KeyError, IndexError, TypeError, zipfile.BadZipFile):
        raise DesignError(
            f"file {path.name!r} must hold feat, len, text and id of both splits, but cannot be read"
        ) from None
    for split, utterances in (("train", found.train), ("test", found.test)):
        _check(split, utterances.frames)
    return found


def _split(npz, split: str) -> Utterances:
    lengths = npz[f"len_{split}"].astype(np.int64)
    ends = np.cumsum(lengths)
    frames, texts = npz[f"feat_{split}"].astype(np.float32), [str(text) for text in npz[f"text_{split}"]]
    speakers = [str(name).partition("/")[0] for name in npz[f"id_{split}"]]
    if len(frames) != ends[-1] or frames.ndim != 2 or not len(ends) == len(texts) == len(speakers):
        raise ValueError
    if lengths.min() < 0:
        raise ValueError
    return Utterances(np.split(frames, ends[:-1]), texts, speakers)


def _check(split: str, utterances: Sequence[np.ndarray]) -> None:
    """Raise :class:`DesignError` where frames are none that steps can be made of."""
    for row, frames in enumerate(utterances):
        if frames.shape[1] != CEPSTRA:
            raise DesignError(f"frames of {split!r} must have {CEPSTRA} cepstra, not {frames.shape[1]}")
        if not len(frames) or not np.isfinite(frames).all():
            what = "others" if len(frames) else "none"
            raise DesignError(f"utterance {row} of {split!r} must have frames of finite numbers, but has {what}")
