"""Frames as a network takes them: deltas beside the cepstra, three frames a step, in units of the training set.

In training an utterance is changed by chance: spoken faster or slower, by a longer or shorter vocal tract, with spans
of steps and some cepstra left out (after SpecAugment, Park et al., 2019).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .an4 import CEPSTRA, Utterances

STACK = 3  #: frames of a step, 30 ms
CHANNELS = STACK * 2 * CEPSTRA
REACH = 2  #: frames on either side that a delta is of
BANDS = 40  #: of the mel filters that the cepstra are of


@dataclass(frozen=True)
class Augmentation:
    """How far an utterance is changed; the default leaves it as it is."""

    speed: float = 0.0  #: share by which it is faster or slower, at most
    tract: float = 0.0  #: share by which the mel axis is stretched, at most
    time_masks: int = 0
    time_width: int = 0  #: steps of a mask, at most
    cepstral_masks: int = 0
    cepstral_width: int = 0  #: neighbouring cepstra, with their deltas, of a mask, at most
    noise: float = 0.0  #: deviation of what is added to every channel


NONE = Augmentation()


@dataclass(frozen=True, eq=False)
class Units:
    """Mean and deviation (26,) of cepstra and deltas in a training set; ``centred``: after each utterance's mean."""

    mean: np.ndarray
    deviation: np.ndarray
    centred: bool

    @classmethod
    def of(cls, data: Utterances, centred: bool) -> "Units":
        found = np.concatenate([with_deltas(_centred(each, centred)) for each in data.frames]).astype(np.float64)
        return cls(found.mean(0), found.std(0), centred)

    def steps(
        self, frames: np.ndarray, augmentation: Augmentation = NONE, generator: np.random.Generator | None = None
    ) -> np.ndarray:
        """Frames (T, 13) as steps (ceil(T / 3), 78) float32; the last frame is repeated to a whole step.

        ``generator`` draws what ``augmentation`` leaves to chance; without one nothing is changed.
        """
        if generator is not None:
            frames = _spoken(frames, augmentation, generator)
        found = (with_deltas(_centred(frames, self.centred)) - self.mean) / self.deviation
        found = np.concatenate([found, np.repeat(found[-1:], -len(found) % STACK, axis=0)])
        found = found.reshape(-1, CHANNELS).astype(np.float32)
        return found if generator is None else _masked(found, augmentation, generator)


def _centred(frames: np.ndarray, centred: bool) -> np.ndarray:
    return frames - frames.mean(0, dtype=np.float64) if centred else frames


def with_deltas(frames: np.ndarray) -> np.ndarray:
    """(T, 26): the frames (T, 13), and slopes by least squares over two frames on either side, ends repeated."""
    padded = np.pad(frames, ((REACH, REACH), (0, 0)), mode="edge")
    slopes = sum(
        n * (padded[REACH + n : REACH + n + len(frames)] - padded[REACH - n : REACH - n + len(frames)])
        for n in range(1, REACH + 1)
    )
    return np.concatenate([frames, slopes / (2 * sum(n * n for n in range(1, REACH + 1)))], axis=1)


def resampled(frames: np.ndarray, factor: float) -> np.ndarray:
    """``frames`` (T, m) spoken ``factor`` times as fast, between frames linearly: round(T / factor) of them."""
    count = max(1, round(len(frames) / factor))
    places = np.linspace(0, len(frames) - 1, count)
    below = np.minimum(places.astype(np.int64), max(len(frames) - 2, 0))
    above, share = np.minimum(below + 1, len(frames) - 1), (places - below)[:, None]
    return (frames[below] * (1 - share) + frames[above] * share).astype(frames.dtype)


@lru_cache(maxsize=256)
def tract_matrix(stretch: float) -> np.ndarray:
    """(13, 13) that takes cepstra to those of a mel spectrum that is stretched by 1 + ``stretch``.

    The cepstra are cosines over 40 bands; the smooth spectrum that they describe is read at other places.
    """
    order, bands = np.arange(CEPSTRA)[:, None], np.arange(BANDS) + 0.5
    read = np.clip(bands / (1 + stretch), 0, BANDS)
    scale = np.where(order == 0, 1, 2) / BANDS
    return scale * np.cos(np.pi * order * bands / BANDS) @ np.cos(np.pi * order * read / BANDS).T


def _spoken(frames: np.ndarray, augmentation: Augmentation, generator: np.random.Generator) -> np.ndarray:
    fast, stretch = generator.uniform(-1, 1, 2)
    if augmentation.speed:
        frames = resampled(frames, 1 + augmentation.speed * fast)
    if augmentation.tract:
        matrix = tract_matrix(round(augmentation.tract * stretch, 2))
        frames = (frames @ matrix.T).astype(frames.dtype)
    return frames


def _masked(steps: np.ndarray, augmentation: Augmentation, generator: np.random.Generator) -> np.ndarray:
    """With spans set to the mean, 0, and with noise."""
    if augmentation.noise:
        steps = steps + generator.normal(0, augmentation.noise, steps.shape).astype(np.float32)
    for _ in range(augmentation.time_masks):
        width = int(generator.integers(0, min(augmentation.time_width, len(steps) // 5) + 1))
        first = int(generator.integers(0, len(steps) - width + 1))
        steps[first : first + width] = 0
    parts = steps.reshape(len(steps), -1, CEPSTRA)
    for _ in range(augmentation.cepstral_masks):
        width = int(generator.integers(0, augmentation.cepstral_width + 1))
        first = int(generator.integers(0, CEPSTRA - width + 1))
        parts[:, :, first : first + width] = 0
    return steps


def padded_steps(parts: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Steps of a batch as (B, T, 78), 0 past each length, and the lengths (B,)."""
    lengths = np.array([len(part) for part in parts])
    found = np.zeros((len(parts), lengths.max(), parts[0].shape[1]), dtype=np.float32)
    for row, part in zip(found, parts):
        row[: len(part)] = part
    return found, lengths
