"""How each technology is programmed: pulses, times, energies and endurance of write and verify.

A docstring says what comes from which source; "round" is this project's own typical value.
"""

from .programming import PulseModel, WriteVerify
from .switching import Switch


def reram() -> WriteVerify:
    """Oxide ReRAM: the defaults, which are round."""
    return WriteVerify()


def pcm() -> WriteVerify:
    """Phase-change memory: SET within 300 ns (Cai et al., doi 10.5772/intechopen.74786, 40 nm); the rest is round.

    A RESET of 50 ns. A pulse takes 20 pJ to melt and 30 pJ to crystallise, whatever the cell conducts at the voltage
    of a read, as it switches on at that of a pulse. 1e8 pulses.
    """
    pulse = PulseModel(
        set_voltage=1.0,
        reset_voltage=1.5,
        pulse_seconds=300e-9,
        reset_seconds=50e-9,
        set_energy=30e-12,
        reset_energy=20e-12,
        endurance=1e8,
    )
    return WriteVerify(pulse=pulse)


def mram() -> WriteVerify:
    """Spin-transfer-torque MRAM: two states, a write error rate, and more than 1e15 writes.

    Endurance: Kan et al., "A study on practically unlimited endurance of STT-MRAM" (2017). Pulses: see
    :class:`.switching.Switch`. At most 10 are tried; a verify tells one state from the other.
    """
    return WriteVerify(pulse=PulseModel(endurance=1e15), switch=Switch(), tolerance=0.5, max_pulses=10)


def nor_flash() -> WriteVerify:
    """Split-gate NOR flash: erased together in 18 ms, which turns cells on, then programmed in 14 us each.

    Times and 100,000 cycles: typical ones of the data sheet of SST49LF040. A program pulse takes 5 V and 1 uA of
    source-side injection, 70 pJ, and the erase 12 V: round. Tunnelling takes hardly any energy.
    """
    pulse = PulseModel(
        set_voltage=12.0,
        reset_voltage=5.0,
        reset_step=1.0,
        pulse_seconds=14e-6,
        reset_energy=70e-12,
        erase_seconds=18e-3,
        endurance=1e5,
    )
    return WriteVerify(pulse=pulse, max_pulses=50)


WRITERS = {writer.__name__: writer for writer in (reram, pcm, mram, nor_flash)}
