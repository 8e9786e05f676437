"""Noise sources: their formulas in SI units, and processes that are correlated in time.

White sources (thermal, shot) have a one-sided power density and a bandwidth. Slow ones (random telegraph noise,
1/f) are processes that are sampled once for each time step and remember their state.
"""

import math
from dataclasses import dataclass

import numpy as np

from ...model.formats import DesignError, check_number
from ...model.seeds import Seed, stream

BOLTZMANN = 1.380649e-23  #: J/K
ELECTRON = 1.602176634e-19  #: C


def thermal_noise(kelvin: float, bandwidth: float) -> float:
    """Johnson-Nyquist noise: mean square of the current in A^2 for each siemens, 4 k T B.

    The paper prints sqrt(k T R B), but its figure, 4 nV/sqrt(Hz) at 1 kohm, is that of the formula with the 4.
    """
    return 4 * BOLTZMANN * kelvin * bandwidth


def shot_noise(bandwidth: float) -> float:
    """Shot noise of a barrier: mean square of the current in A^2 for each ampere, 2 e B (Ma et al., section V.B)."""
    return 2 * ELECTRON * bandwidth


class WriteNoise:
    """Standard normal numbers, new in each cell with each write: of the stream 100 + write below the seed."""

    def __init__(self, seed: Seed, shape: tuple[int, ...]) -> None:
        self._seed, self._shape = seed, shape
        self._drawn: dict[int, np.ndarray] = {}

    def deviates(self, writes: np.ndarray) -> np.ndarray:
        """Those of each cell's last write; 0 for a cell that was never written. ``writes`` may have fewer axes."""
        deviates = np.zeros(self._shape)
        for write in np.unique(writes[writes > 0]).tolist():
            if write not in self._drawn:
                self._drawn[write] = stream(self._seed, 100 + write).standard_normal(self._shape)
            deviates = np.where(writes == write, self._drawn[write], deviates)
        return deviates


@dataclass(frozen=True, kw_only=True)
class Telegraph:
    """Random telegraph noise: a trap in a cell lowers its conductance by ``amplitude`` while it is filled.

    Dwell times are exponential: ``tau_high`` seconds on average in the high state, ``tau_low`` in the low one. A
    share ``fraction`` of the cells has a trap. The conductance is meant relative to its mean, so the mean of the
    noise is 0.
    """

    amplitude: float  #: change of G between the states, relative to G
    tau_high: float
    tau_low: float
    fraction: float = 1.0

    def __post_init__(self) -> None:
        check_number("telegraph amplitude", self.amplitude, 0.0, 1.0)
        check_number("telegraph tau_high in s", self.tau_high, 1e-12, 1e12)
        check_number("telegraph tau_low in s", self.tau_low, 1e-12, 1e12)
        check_number("telegraph fraction", self.fraction, 0.0, 1.0)

    @property
    def low_probability(self) -> float:
        """Share of the time that a trap is filled."""
        return self.tau_low / (self.tau_low + self.tau_high)

    @property
    def variance(self) -> float:
        """Of dG/G over all cells: fraction * amplitude^2 * p * (1 - p)."""
        p = self.low_probability
        return self.fraction * self.amplitude**2 * p * (1 - p)

    def settles(self, seconds: float) -> float:
        """The share of a deviation from equilibrium that is gone after ``seconds``."""
        return -math.expm1(-(1 / self.tau_high + 1 / self.tau_low) * seconds)

    def switch_probabilities(self, seconds: float) -> tuple[float, float]:
        """Probabilities high to low and low to high between samples ``seconds`` apart: exact, two-state Markov."""
        changed = self.settles(seconds)
        return self.low_probability * changed, (1 - self.low_probability) * changed


class TelegraphProcess:
    """``count`` independent traps for each sequence, sampled every ``seconds``.

    Probabilities to switch are rounded up to multiples of 2^-24, so no trap stays for longer than 17 million samples
    on average.
    """

    def __init__(self, law: Telegraph, count: int, seconds: float, rng: np.random.Generator) -> None:
        self._rng, self._low_probability, self._clock = rng, law.low_probability, CellClock((count,))
        self._settles = law.settles(seconds)
        self.size = count  #: numbers kept for each sequence
        p = law.low_probability
        self._values = law.amplitude * np.array([p, p - 1])  # dG/G of an empty and of a filled trap
        self._switch = np.array(law.switch_probabilities(seconds), dtype=np.float32)
        self.low = np.zeros((0, count), dtype=bool)  #: filled traps

    def begin(self, begins: np.ndarray) -> None:
        """Start the sequences of the mask ``begins`` in equilibrium."""
        self.low = resized(self.low, begins)
        self._clock.begin(begins)
        drawn = self._rng.random((int(begins.sum()), self.size), dtype=np.float32)
        self.low[begins] = drawn < self._low_probability

    def sample(self) -> np.ndarray:
        """dG/G now (sequences, count), of mean 0, then advance by one sample."""
        if self._clock.differs:
            self._advance(np.arange(self.size))
            self._clock.set_all()
        state = self.low.view(np.uint8)
        value = self._values[state]
        self.low ^= self._rng.random(self.low.shape, dtype=np.float32) < self._switch[state]
        return value

    def sample_some(self, traps: np.ndarray) -> np.ndarray:
        """dG/G now of the traps with these numbers (n,), of the only sequence; then advance all by one sample."""
        self._advance(traps)
        self._clock.tick()
        return self._values[self.low[0, traps].view(np.uint8)]

    def _advance(self, traps: np.ndarray) -> None:
        """Bring some traps to the present, from where they were left."""
        left = (1 - self._settles) ** self._clock.pass_for(traps)  # of the deviation from equilibrium
        filled = self._low_probability + (self.low[0, traps] - self._low_probability) * left
        self.low[0, traps] = self._rng.random(len(traps)) < filled


@dataclass(frozen=True, kw_only=True)
class Flicker:
    """1/f noise of a conductance: S_G(f) / G^2 = ``density`` / f from ``low`` to ``high`` Hz, flat below ``low``.

    ``density`` has no unit: the square of dG/G in each factor e of frequency.
    """

    density: float
    low: float
    high: float

    def __post_init__(self) -> None:
        check_number("flicker density", self.density, 0.0, 1.0)
        check_number("flicker low frequency in Hz", self.low, 1e-9, 1e12)
        check_number("flicker high frequency in Hz", self.high, self.low, 1e12)

    @property
    def variance(self) -> float:
        """Of dG/G: the density integrated from ``low`` to ``high``."""
        return self.density * math.log(self.high / self.low)


class FlickerProcess:
    """1/f noise as a sum of relaxations (first-order autoregressions), their rates even in log frequency.

    A relaxation of rate f0 and variance s^2 has the density 2 s^2 / (pi f0) / (1 + (f/f0)^2); summed over rates
    that are spaced by a ratio r, with s^2 = density ln r, this is density / f (McWhorter's superposition), with a
    ripple of a few per cent at two rates a decade. A read samples it, so what is faster than half the rate of samples
    folds down, as in a real converter: the variance is the law's, and the density near half the rate twice the law's.
    """

    POLES_PER_DECADE = 2

    def __init__(self, law: Flicker, shape: tuple[int, ...], seconds: float, rng: np.random.Generator) -> None:
        self._rng, self._shape = rng, shape
        rates = flicker_rates(law, self.POLES_PER_DECADE)
        self.size = len(rates) * math.prod(shape)  #: numbers kept for each sequence
        keep = np.exp(-2 * np.pi * rates * seconds)
        self._sigma = math.sqrt(law.variance / len(rates))
        self._keep = keep.astype(np.float32)
        self._fresh = (self._sigma * np.sqrt(1 - keep**2)).astype(np.float32)
        self._state = np.zeros((len(rates), 0, *shape), dtype=np.float32)
        self._clock = CellClock(shape)

    def begin(self, begins: np.ndarray) -> None:
        """Start the sequences of the mask ``begins`` in equilibrium."""
        self._clock.begin(begins)
        if len(resized(self._state[0], begins)) != len(self._state[0]):
            self._state = np.zeros((len(self._state), len(begins), *self._shape), dtype=np.float32)
        for state in self._state:
            drawn = self._rng.standard_normal((int(begins.sum()), *self._shape), dtype=np.float32)
            state[begins] = np.float32(self._sigma) * drawn

    def sample(self) -> np.ndarray:
        """dG/G now, then advance by one sample."""
        if self._clock.differs:
            self._advance(np.ix_(*map(np.arange, self._shape)))
            self._clock.set_all()
        value = np.zeros(self._state[0].shape)
        drawn = np.empty(value.shape, dtype=np.float32)
        for pole, state in enumerate(self._state):
            value += state
            self._rng.standard_normal(out=drawn, dtype=np.float32)
            drawn *= self._fresh[pole]
            state *= self._keep[pole]
            state += drawn
        return value

    def sample_some(self, cells: tuple[np.ndarray, ...]) -> np.ndarray:
        """dG/G now of the cells of an ``np.ix_``, of the only sequence; then advance all by one sample."""
        value = self._advance(cells)
        self._clock.tick()
        return value

    def _advance(self, cells: tuple[np.ndarray, ...]) -> np.ndarray:
        """Bring some cells to the present, from where they were left: dG/G then."""
        place = (slice(None), 0, *cells)
        keep = self._keep.reshape(-1, *(1 for _ in self._shape)).astype(float) ** self._clock.pass_for(cells)
        drawn = self._rng.standard_normal(keep.shape, dtype=np.float32)
        state = self._state[place] * keep + self._sigma * np.sqrt(1 - keep**2) * drawn
        self._state[place] = state
        return state.sum(axis=0)


class CellClock:
    """How far each cell's process is behind the present, where only the cells that are read are sampled."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._now, self._at = 0, np.zeros(shape, dtype=np.int64)
        self.differs = False  #: is any cell behind?

    def begin(self, begins: np.ndarray) -> None:
        """Sequences begin: where there is one alone, all cells are at the present."""
        if begins.any():
            self.set_all()

    def set_all(self) -> None:
        """All cells are at the present."""
        if self.differs:
            self._now, self.differs = 0, False
            self._at[...] = 0

    def pass_for(self, cells) -> np.ndarray:
        """Samples that these cells are behind, which then are at the present."""
        behind = self._now - self._at[cells]
        self._at[cells] = self._now
        return behind

    def tick(self) -> None:
        """A sample passes."""
        self._now += 1
        self.differs = True


def flicker_rates(law: Flicker, per_decade: int) -> np.ndarray:
    """Corner frequencies (Hz) of the relaxations: geometric means of equal intervals of log frequency."""
    count = max(1, math.ceil(per_decade * math.log10(law.high / law.low)))
    edges = np.geomspace(law.low, law.high, count + 1)
    return np.sqrt(edges[1:] * edges[:-1])


def resized(state: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """``state`` for as many sequences as ``begins`` has; refuses to resize a batch that does not begin as a whole."""
    if len(state) == len(begins):
        return state
    if not begins.all():
        raise DesignError(f"a batch of {len(begins)} sequences must begin as a whole")
    return np.zeros((len(begins), *state.shape[1:]), dtype=state.dtype)
