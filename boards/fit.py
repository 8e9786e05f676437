"""A design made to fit a board: how many ADCs its layers have there, and how many rows their twins add in a cycle."""

from dataclasses import dataclass, replace

from ..hdl.accelerator import layer_latency
from ..hdl.board.config import BoardConfig
from ..hdl.board.twin_plan import BLOCK_BITS, TwinPlan
from ..model.design import Design
from ..model.formats import DesignError
from ..model.layers import Layer
from ..model.refit import possible_adcs, with_adcs
from .catalogue import Board, chip_clock


@dataclass(frozen=True)
class _Choice:
    """A layer's ADCs and its twin's rows, and what they cost and bring."""

    adcs: int
    rows: int
    cycles: int  #: of a time step
    cost: int  #: rows, and a block of memory counts as the 9 rows that a word of it holds


def fit(
    design: Design, board: Board, clock_hz: int | None = None, baud: int | None = None, noise: bool = False
) -> tuple[Design, BoardConfig]:
    """``design`` with ADCs that ``board`` has room for, and the configuration for it; no integer changes.

    The slowest layer gets all that the board allows. The others get as little as keeps up with it. Raises
    :class:`DesignError` for a clock that the board cannot make and for a layer with more gates than ADCs allowed.

    >>> design, config = fit(Design.load("vowels"), find_board("icebreaker"))
    >>> [layer.adcs for layer in design.layers], config.rows
    ([4, 1], (4, 1))
    """
    choices = [_choices(layer, board, noise, f"layer {index}") for index, layer in enumerate(design.layers)]
    slowest = max(min(choice.cycles for choice in of_layer) for of_layer in choices)
    chosen = [
        min(
            (choice for choice in of_layer if choice.cycles <= slowest),
            key=lambda choice: (choice.cost, choice.cycles),
        )
        for of_layer in choices
    ]
    fitted = with_adcs(design, [choice.adcs for choice in chosen])
    hertz, _pll = chip_clock(board, clock_hz or board.clock_hz)
    rows = tuple(choice.rows for choice in chosen)
    return fitted, BoardConfig(board.key, hertz, rows, baud or board.baud, noise=noise)


def step_cycles(design: Design, config: BoardConfig) -> int:
    """Clock cycles of a time step: of the slowest layer, as the layers work side by side."""
    return max(_cycles(TwinPlan(layer, rows, config.noise)) for layer, rows in zip(design.layers, config.rows))


def _cycles(plan: TwinPlan) -> int:
    return plan.step_cycles(layer_latency(plan.layer) - 1)


def _choices(layer: Layer, board: Board, noise: bool, where: str) -> list[_Choice]:
    """All that the board allows; more rows only where they save a group, or gather its words in fewer blocks."""
    adcs = [count for count in possible_adcs(layer) if count <= board.adcs]
    if not adcs:
        raise DesignError(f"{where}: {board.key} has room for {board.adcs} ADCs, but the layer needs {layer.gates}")
    least = {-(-layer.rows // groups) for groups in range(1, layer.rows + 1)}
    rows = {count for few in least for count in (few, -(-few // 4) * 4) if count <= min(board.rows, layer.rows)}
    return [_choice(replace(layer, adcs=count), row, noise) for count in adcs for row in sorted(rows)]


def _choice(layer: Layer, rows: int, noise: bool) -> _Choice:
    plan = TwinPlan(layer, rows, noise)
    blocks = -(-plan.word_rows * plan.cell_bits // BLOCK_BITS)
    return _Choice(layer.adcs, rows, _cycles(plan), layer.adcs * (rows + 9 * blocks))
