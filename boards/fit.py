"""A design made to fit a board: how many ADCs its layers have there, and how many rows their twins add in a cycle."""

from dataclasses import dataclass, replace

from ..hdl.accelerator import layer_latency
from ..hdl.board.config import BoardConfig
from ..hdl.board.twin_plan import BLOCK_BITS, BLOCK_WORDS, TwinPlan
from ..model.design import Design
from ..model.formats import DesignError
from ..model.layers import Layer
from ..model.refit import possible_adcs, with_adcs
from .catalogue import Board, chip_clock

FLIP_FLOPS = 5 / 8  #: share of a board's that one layer's twin may take
MEMORIES = 5 / 6  #: likewise of its blocks of memory


@dataclass(frozen=True)
class _Choice:
    """A layer's ADCs and its twin's rows, and what they cost and bring."""

    adcs: int
    rows: int
    cycles: int  #: of a time step
    cost: int  #: rows, and a block of memory counts as the 9 rows that a word of it holds
    flip_flops: int  #: about
    memories: int


def fit(
    design: Design, board: Board, clock_hz: int | None = None, baud: int | None = None, noise: bool = False
) -> tuple[Design, BoardConfig]:
    """``design`` with ADCs that ``board`` has room for, and the configuration for it; no integer changes.

    The slowest layer gets all that the board allows. The others get as little as keeps up with it. Raises
    :class:`DesignError` for a clock that the board cannot make, a layer with more gates than ADCs allowed, contexts.

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
    config = BoardConfig(board.key, hertz, rows, baud or board.baud, noise=noise, flash=board.flash)
    config.check(fitted)
    return fitted, config


def step_cycles(design: Design, config: BoardConfig) -> int:
    """Clock cycles of a time step: of the slowest layer, as the layers work side by side."""
    return max(_cycles(TwinPlan(layer, rows, config.noise)) for layer, rows in zip(design.layers, config.rows))


def _cycles(plan: TwinPlan) -> int:
    return plan.step_cycles(layer_latency(plan.layer) - 1)


def _choices(layer: Layer, board: Board, noise: bool, where: str) -> list[_Choice]:
    """All that the board allows and has flip-flops and memories for; where there is none, all that it allows."""
    adcs = [count for count in possible_adcs(layer) if count <= board.adcs]
    if not adcs:
        raise DesignError(f"{where}: {board.key} has room for {board.adcs} ADCs, but the layer needs {layer.gates}")
    rows = range(1, min(board.rows, layer.rows) + 1)
    choices = [_choice(replace(layer, adcs=count), row, noise) for count in adcs for row in rows]
    placeable = [
        choice
        for choice in choices
        if choice.flip_flops <= FLIP_FLOPS * board.flip_flops and choice.memories <= MEMORIES * board.memories
    ]
    return placeable or choices


def _choice(layer: Layer, rows: int, noise: bool) -> _Choice:
    plan = TwinPlan(layer, rows, noise)
    word = plan.word_rows * plan.cell_bits
    blocks = max(-(-word // BLOCK_BITS), -(-word * plan.depth // (BLOCK_BITS * BLOCK_WORDS)))
    return _Choice(
        adcs=layer.adcs,
        rows=rows,
        cycles=_cycles(plan),
        cost=layer.adcs * (rows + 9 * blocks),
        # the rows' cells, a tree with a register behind every adder, three sums of a group or column
        flip_flops=layer.adcs * (2 * rows * (plan.cell_bits + 1) + 60),
        memories=layer.adcs * blocks * plan.in_blocks,
    )
