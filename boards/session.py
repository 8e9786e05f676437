"""A board and a network together: the board's ADCs, and what the board gives beside the reference."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..firmware.link import Link
from ..firmware.link_stream import Replayed, fill, replay, replay_of, run_over, steps_of
from ..firmware.transactions import LoadError
from ..model.compare import STAGES, Check, Comparison, compare
from ..model.network import Network
from ..model.reference import Convert, run, steps_read
from ..model.refit import refit, with_fingerprint
from ..model.registers import BY_NAME, ID_VALUE

CHUNK = 16  #: sequences between two reports of progress
REPLAY_SECONDS = 0.1  #: that a replay should take on the board


def fitted(link: Link, network: Network) -> Network:
    """``network`` with the ADCs that the chip on the board has. Raises :class:`LoadError` for another chip."""
    if (found := link.read(BY_NAME["ID"].address)) != ID_VALUE:
        raise LoadError(f"the device's ID must be 0x{ID_VALUE:08X}, not 0x{found:08X}")
    low, high = (link.read(BY_NAME[f"FINGERPRINT_{half}"].address) for half in ("LOW", "HIGH"))
    fingerprint = f"{high << 32 | low:016x}"
    design = with_fingerprint(network.design, fingerprint)
    if design is None:
        raise LoadError(
            f"the board's chip has the fingerprint {fingerprint}, which is not that of {network.design.name!r} with "
            "any number of ADCs: build and program a board for this design"
        )
    return refit(network, design)


def begin(link: Link) -> None:
    """Abandon what an interrupted run has left in the chip and on its way to the host.

    Raises :class:`LoadError` unless the chip is enabled, as a load leaves it.
    """
    control = BY_NAME["CONTROL"]
    if not control.unpack(link.read(control.address))["ENABLE"]:
        raise LoadError("the board has no network to run: load one with ohmgate board load")
    link.write(control.address, control.pack(ENABLE=1, RESET=1))
    link.flush()


def classify(
    link: Link,
    network: Network,
    codes: np.ndarray,
    lengths: np.ndarray,
    progress: Callable[[int], None] = lambda done: None,
) -> np.ndarray:
    """What the board gives for sequences: ``out`` as :func:`~ohmgate.model.reference.run` does.

    ``network`` is :func:`fitted`. ``progress`` is told how many sequences are done.
    """
    parts = []
    for start in range(0, len(codes), CHUNK):
        here = slice(start, start + CHUNK)
        parts.append(run_over(link, network.design, codes[here], lengths[here]))
        progress(start + len(parts[-1]))
    return np.concatenate(parts)


def against_reference(
    network: Network, codes: np.ndarray, lengths: np.ndarray, got: np.ndarray, convert: Convert | None = None
) -> Comparison:
    """The board's outputs beside the reference's, integer by integer; ``convert`` reads the reference's arrays."""
    expected, layer = run(network, codes, lengths, convert).out, network.design.layers[-1]
    read = steps_read(layer, lengths, codes.shape[1])
    want, have = (out if layer.at_end else out[read] for out in (expected, got))
    return compare([Check(len(network.layers) - 1, layer, STAGES["out"], np.argwhere(read), want, have)])


@dataclass(frozen=True)
class Speed:
    """How fast a board computes from its own memory."""

    steps: int
    replayed: Replayed
    agrees: bool  #: results and digest are the reference's
    clock_hz: int

    @property
    def cycles_per_step(self) -> float:
        return self.replayed.cycles / self.steps

    @property
    def steps_per_second(self) -> float:
        return self.clock_hz / self.cycles_per_step


def compute_speed(link: Link, network: Network, codes: np.ndarray, lengths: np.ndarray) -> Speed:
    """Fill the board's buffer with the first sequences that fit, run them for a tenth of a second, check the digest.

    Raises :class:`LoadError` where not even the first one fits.
    """
    sizes = np.cumsum(lengths) * link.info.step_bytes
    count = int((sizes <= link.info.buffer_bytes).sum())
    if not count:
        raise LoadError(
            f"the board's buffer of {link.info.buffer_bytes} bytes must hold a sequence, but the first has {sizes[0]}"
        )
    codes, lengths, size = codes[:count], lengths[:count], int(sizes[count - 1])
    fill(link, b"".join(steps_of(network.design, codes, lengths)))
    once = replay(link, size, 1)
    repetitions = max(1, round(REPLAY_SECONDS * link.info.clock_hz / once.cycles))
    done = replay(link, size, repetitions)
    expected = replay_of(network.design, run(network, codes, lengths).out, lengths, repetitions)
    return Speed(int(lengths.sum()) * repetitions, done, (done.results, done.digest) == expected, link.info.clock_hz)
