"""A board's noise registers in numbers."""

from ...model.board_registers import NOISE_AMPLITUDES, NOISE_REGISTERS, NOISE_SEED
from ...model.integer_noise import IntegerNoise

ADDRESSES = tuple(register.address for register in NOISE_REGISTERS)


class NoiseTwin:
    """``noise`` is what the registers hold; ``restarts`` counts how often the time steps were counted anew."""

    def __init__(self):
        self.noise, self.restarts = IntegerNoise(), 0

    def access(self, address: int, value: int | None = None) -> int:
        """Read one of :data:`ADDRESSES`, or write ``value``: the word read, 0 for a write."""
        noise, seed = self.noise, address == NOISE_SEED.address
        if value is None:
            return noise.seed if seed else NOISE_AMPLITUDES.pack(PROGRAMMING=noise.programming, ADC=noise.adc)
        if seed:
            self.noise = IntegerNoise(value, noise.programming, noise.adc)
            self.restarts += 1
        else:
            fields = NOISE_AMPLITUDES.unpack(value)
            self.noise = IntegerNoise(noise.seed, fields["PROGRAMMING"], fields["ADC"])
        return 0
