"""Flip-flops, memories and ports of every component of a board: a bit too many changes no number, but area."""

import re
from dataclasses import replace

import pytest
from amaranth.lib import wiring
from amaranth.lib.wiring import Flow

from ohmgate.hdl.board.adc_bank import AdcBank
from ohmgate.hdl.board.array_twin import ArrayTwin
from ohmgate.hdl.board.board_bus import BoardBus
from ohmgate.hdl.board.board_chip import BoardChip
from ohmgate.hdl.board.board_flash import BoardFlash
from ohmgate.hdl.board.boot_reader import BootReader
from ohmgate.hdl.board.column_sums import ColumnSums
from ohmgate.hdl.board.compressor_tree import CompressorTree
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.hdl.board.crc32 import Crc32
from ohmgate.hdl.board.flash_registers import FlashRegisters
from ohmgate.hdl.board.frame_receiver import FrameReceiver
from ohmgate.hdl.board.frame_sender import FrameSender
from ohmgate.hdl.board.link import Link
from ohmgate.hdl.board.noise_registers import NoiseRegisters
from ohmgate.hdl.board.noise_source import NoiseSource
from ohmgate.hdl.board.request_executor import RequestExecutor
from ohmgate.hdl.board.result_queue import ResultQueue
from ohmgate.hdl.board.result_splitter import ResultSplitter
from ohmgate.hdl.board.sequence_replay import SequenceReplay
from ohmgate.hdl.board.spi_master import SpiMaster
from ohmgate.hdl.board.step_assembler import StepAssembler
from ohmgate.hdl.board.twin_plan import TwinPlan
from ohmgate.hdl.board.uart_receiver import UartReceiver
from ohmgate.hdl.board.uart_transmitter import UartTransmitter
from ohmgate.model.design import Design
from ohmgate.model.flash import FlashLayout
from tests.hdl.test_inventory import inventory
from tests.test_house import components, documented_ports

VOWELS = Design.load("vowels")
LAYER = VOWELS.layers[0]
LAYOUT = FlashLayout(0x100000, 0x100000)
CONFIG = BoardConfig("desk", 12_000_000, (4, 4), flash=LAYOUT)
#: An example, its own flip-flops, its own memories; None where another test counts what is within.
EXAMPLES: dict[str, tuple[wiring.Component, int | None, list[str]]] = {
    "adc bank": (AdcBank(TwinPlan(LAYER, 4, True), 12), None, []),
    "array twin": (ArrayTwin(LAYER, 4, 0), None, []),
    "column sums": (ColumnSums(TwinPlan(replace(LAYER, diagnostics=True), 4)), None, []),
    "compressor tree": (CompressorTree((9, 9)), 6 + 5, []),
    "bus": (BoardBus(VOWELS, True, True), 5 + 32 + 4 + 1 + 3 + 1, []),
    "chip": (BoardChip(VOWELS, CONFIG), 0, []),
    "flash": (BoardFlash(LAYOUT, 12_000_000), 0, []),
    "flash registers": (FlashRegisters(LAYOUT), 32 + 2 + 2 + 2 + 2, []),
    "boot reader": (BootReader(LAYOUT, 600), 64 + 32 + 10 + 5 + 15, []),
    "spi master": (SpiMaster(), 14, []),
    "crc": (Crc32(4), 32, []),
    "frame receiver": (FrameReceiver(2), 20, []),
    "frame sender": (FrameSender(2), 11, []),
    "link": (Link(VOWELS, CONFIG), 3, ["requests 512x8", "answers 512x8", "info 64x8"]),
    "executor": (RequestExecutor(VOWELS, CONFIG), 196, []),
    "noise": (NoiseSource(), None, []),
    "noise registers": (NoiseRegisters(), 32 + 16 + 2, []),
    "queue": (ResultQueue(512), 21, ["memory 512x8"]),
    "splitter": (ResultSplitter(VOWELS), 1 + 1, []),
    "replay": (SequenceReplay(VOWELS, 2048), 115, ["buffer 2048x8"]),
    "assembler": (StepAssembler(VOWELS), 59, []),
    "uart receiver": (UartReceiver(12), 16, []),
    "uart transmitter": (UartTransmitter(12), 14, []),
}


def test_every_component_of_a_board_is_here():
    board = {component for component in components() if ".board." in component.__module__}
    assert {type(component) for component, *_ in EXAMPLES.values()} == board


@pytest.mark.parametrize("kind", EXAMPLES)
def test_ports_flip_flops_and_memories(kind):
    component, bits, memories = EXAMPLES[kind]
    ports = {name: "in" if member.flow == Flow.In else "out" for name, member in component.signature.members.items()}
    assert ports == documented_ports(type(component))
    if bits is not None:
        found = inventory(component)
        assert sum(int(re.search(r" (\d+)", item)[1]) for item in found["reset"] + found["kept"]) == bits
        assert found["memory"] == memories
