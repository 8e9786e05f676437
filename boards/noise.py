"""The noise of a board's arrays (docs/array.md, integer noise): what it is, and how it begins anew."""

from ..firmware.link import Link
from ..firmware.transactions import BusError, LoadError
from ..model.board_registers import NOISE_AMPLITUDES, NOISE_SEED
from ..model.integer_noise import IntegerNoise
from ..model.registers import BY_NAME


def noise_of(link: Link) -> IntegerNoise:
    """What the board's registers hold; none for a board without noise in its gateware."""
    try:
        seed, amplitudes = link.read(NOISE_SEED.address), link.read(NOISE_AMPLITUDES.address)
    except BusError:
        return IntegerNoise()
    fields = NOISE_AMPLITUDES.unpack(amplitudes)
    return IntegerNoise(seed, fields["PROGRAMMING"], fields["ADC"])


def set_noise(link: Link, noise: IntegerNoise) -> None:
    """Set seed and amplitudes, before the cells are programmed.

    Raises :class:`LoadError` for a board without noise in its gateware, unless it should have none.
    """
    try:
        link.write(NOISE_AMPLITUDES.address, NOISE_AMPLITUDES.pack(PROGRAMMING=noise.programming, ADC=noise.adc))
        link.write(NOISE_SEED.address, noise.seed)
    except BusError:
        if not noise.silent:
            raise LoadError(
                "the board has no noise in its gateware: build and program one with ohmgate board build --noise"
            ) from None


def restart_noise(link: Link, noise: IntegerNoise) -> None:
    """Count the time steps from 0 again, for the ``noise`` that the board has. What is in flight is dropped."""
    control = BY_NAME["CONTROL"]
    link.flush()
    link.write(control.address, control.pack(ENABLE=1, RESET=1))
    link.write(NOISE_SEED.address, noise.seed)
