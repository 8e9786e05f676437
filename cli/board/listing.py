"""``ohmgate board list``."""

from ..console import say

EXAMPLES = """Example: `ohmgate board list`."""


def command() -> None:
    """List the boards that ohmgate builds for."""
    from ...boards.catalogue import BOARDS

    say(f"{'board':<12} {'LUTs':>6} {'memories':>8} {'multipliers':>11} {'oscillator':>10} {'keeps':>7}  what")
    for key, board in BOARDS.items():
        keeps = "network" if board.flash else ""  # in its flash
        clock = f"{board.oscillator_hz / 1e6:g} MHz"
        say(
            f"{key:<12} {board.luts:>6} {board.memories:>8} {board.multipliers:>11} {clock:>10} {keeps:>7}  "
            f"{board.title} (docs/boards.md)"
        )
