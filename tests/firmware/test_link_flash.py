"""A network goes into a board's flash: the other slot, the record last, and every way in which that can fail."""

from dataclasses import replace

import numpy as np
import pytest

from ohmgate.firmware import link_flash
from ohmgate.firmware.flash_slot import slot_frames, slot_record
from ohmgate.firmware.line import LinkError
from ohmgate.firmware.link import Link
from ohmgate.firmware.link_flash import described, find_flash, store
from ohmgate.firmware.transactions import LoadError
from ohmgate.hdl.board.board_twin import BoardTwin, loaded_network
from ohmgate.hdl.board.spi_flash import SpiFlash
from ohmgate.model.design import Design
from ohmgate.model.flash import FlashLayout
from ohmgate.model.layers import DenseLayer
from tests.boards.desk import CONFIG, DESIGN, NEW, OLD
from tests.designs import random_network
from tests.firmware.virtual_line import Faults, VirtualLine

LAYOUT = FlashLayout(0x10000, 0x20000)
FLASH_CONFIG = replace(CONFIG, flash=LAYOUT)
BITSTREAM = bytes(range(256)) * 256  #: in front of the slots
SIZE = 0x80000


class Chip(SpiFlash):
    """A flash that can be spoilt, and notes what it did."""

    def __init__(self):
        super().__init__(SIZE)
        self.content[: len(BITSTREAM)] = BITSTREAM
        self.did: list[tuple[int, int]] = []  #: first byte and address of what changed it
        self.programmed: list[bytes] = []
        self.stuck: dict[int, int] = {}  #: bytes that read as this, whatever was written

    def _obey(self, sent):
        if sent and sent[0] in (0x02, 0xD8) and self.writable and not self.busy:
            self.did.append((sent[0], int.from_bytes(sent[1:4], "big")))
            self.programmed += [sent[4:]] if sent[0] == 0x02 else []
        super()._obey(sent)
        for address, value in self.stuck.items():
            self.content[address] = value


def put(chip: Chip, slot: int, network, generation: int) -> None:
    """Slot A or B holds ``network``, written by hand."""
    frames = slot_frames(network)
    at = LAYOUT.address(slot)
    chip.content[at : at + 28] = slot_record(network, frames, generation, LAYOUT).pack()
    chip.content[at + 256 : at + 256 + len(frames)] = frames


def board_of(chip: Chip) -> BoardTwin:
    """The board after its power came back."""
    chip.busy, chip.selected, chip.writable, chip.asleep = 0, False, False, True
    return BoardTwin(DESIGN, FLASH_CONFIG, chip)


def link_of(chip: Chip, **line) -> Link:
    return Link(VirtualLine(board_of(chip).receive, **line), seed=1)


def starts_with(chip: Chip):
    """The network that the board has after its power came back; None for none."""
    board = board_of(chip)
    return loaded_network(DESIGN, board.registers) if board.registers.enable else None


def same(found, network) -> bool:
    if found is None or network is None:
        return found is network
    pairs = list(zip(found.layers, network.layers))
    return all(
        np.array_equal(a.weights, b.weights) and (a.mult.tolist(), a.shift.tolist()) == (b.mult.tolist(), b.shift.tolist())
        for a, b in pairs
    )  # fmt: skip


def test_networks_go_into_the_slots_in_turn():
    chip = Chip()
    for generation, (network, slot) in enumerate(((OLD, 0), (NEW, 1), (OLD, 0)), 1):
        progress: list[tuple[int, int]] = []
        stored = store(find_flash(link_of(chip)), network, lambda *at, told=progress: told.append(at))
        frames = slot_frames(network)
        assert str(stored) == f"slot {'AB'[slot]}, generation {generation}"
        assert stored.record == slot_record(network, frames, generation, LAYOUT)
        assert same(starts_with(chip), network)
        assert progress == sorted(progress)
        assert {total for _, total in progress} == {2 * len(frames)}
    assert chip.content[: len(BITSTREAM)] == BITSTREAM


def test_the_record_goes_first_and_comes_last():
    chip = Chip()
    put(chip, 0, OLD, 5)
    put(chip, 1, OLD, 4)
    stored = store(find_flash(link_of(chip)), NEW)
    assert (chip.programmed[0], chip.programmed[-1]) == (bytes(28), stored.record.pack())
    pages = -(-len(slot_frames(NEW)) // 256)
    at = LAYOUT.address(1)
    assert chip.did == [
        (0x02, at), (0xD8, at), *((0x02, at + 256 + 256 * page) for page in range(pages)), (0x02, at),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "slots, taken, generation",
    [((), 0, 1), ((7, None), 1, 8), ((None, 7), 0, 8), ((7, 9), 0, 10), ((9, 7), 1, 10), ((3, 3), 1, 4)],
)
def test_the_slot_that_the_board_starts_with_is_never_taken(slots, taken, generation):
    chip = Chip()
    for slot, there in enumerate(slots):
        if there:
            put(chip, slot, OLD, there)
    stored = store(find_flash(link_of(chip)), NEW)
    assert (stored.slot, stored.record.generation) == (taken, generation)
    assert same(starts_with(chip), NEW)


def test_a_slot_whose_frames_are_damaged_is_the_one_that_is_taken():
    chip = Chip()
    put(chip, 0, OLD, 7)
    put(chip, 1, OLD, 8)
    chip.content[LAYOUT.address(1) + 300] ^= 1
    assert store(find_flash(link_of(chip)), NEW).slot == 1
    assert same(starts_with(chip), NEW)


def test_frames_of_several_sectors_are_erased_first():
    design = Design("large", (DenseLayer(inputs=200, outputs=400, adcs=1, weight_bits=8),))
    network = random_network(design, np.random.default_rng(0))
    chip = Chip()
    chip.content[LAYOUT.first : LAYOUT.end] = bytes(2 * LAYOUT.slot_bytes)
    link = Link(VirtualLine(BoardTwin(design, replace(FLASH_CONFIG, rows=(1,)), chip).receive), seed=1)
    store(find_flash(link), network)
    at, frames = LAYOUT.first, slot_frames(network)
    assert chip.content[at + 256 : at + 256 + len(frames)] == frames
    assert [address for command, address in chip.did if command == 0xD8] == [at, at + 0x10000]
    assert chip.content[LAYOUT.address(1)] == 0


def test_a_store_that_is_cut_anywhere_leaves_the_old_network_and_the_next_one_completes():
    before = Chip()
    put(before, 0, OLD, 1)
    whole = link_of(before)
    content = bytes(before.content)
    store(find_flash(whole), NEW)
    length = whole.line.sent + whole.line.came
    rng, left = np.random.default_rng(3), {"old": 0, "new": 0}
    for cut in [*rng.integers(60, length - 400, 40).tolist(), length - 100, length - 60]:
        chip = Chip()
        chip.content[:] = content
        with pytest.raises(LinkError):
            store(find_flash(link_of(chip, cut=cut)), NEW)
        found = starts_with(chip)
        left["old" if same(found, OLD) else "new"] += 1
        assert same(found, OLD) or same(found, NEW)
        again = store(find_flash(link_of(chip)), NEW)
        assert same(starts_with(chip), NEW)
        assert again.slot == 1 or again.record.generation == 3
    assert left["old"] >= 40
    assert left["new"] >= 1


def test_an_interrupted_host_leaves_the_flash_selected_and_busy():
    chip = Chip()
    put(chip, 0, OLD, 1)
    link = link_of(chip)
    link.write(0x428, 1)
    link.write(0x42C, 0x03)
    chip.busy = 50
    a, b = find_flash(link).records()
    assert (a.generation, b) == (1, None)


def test_a_bad_line_stores_the_same():
    chip = Chip()
    store(find_flash(link_of(chip, faults=Faults(0.003, 0.003, 0.003))), NEW)
    assert same(starts_with(chip), NEW)


def test_a_flash_that_does_not_hold_what_was_written_keeps_the_old_network():
    frames = slot_frames(NEW)
    for offset, written in ((300, frames[300 - 256]), (0, ord("O"))):
        chip = Chip()
        put(chip, 0, OLD, 1)
        chip.stuck = {LAYOUT.address(1) + offset: written ^ 0x41}
        with pytest.raises(LoadError) as error:
            store(find_flash(link_of(chip)), NEW)
        assert str(error.value) == (
            f"byte {offset} of slot B must be 0x{written:02x} in the board's flash, and is 0x{written ^ 0x41:02x}: "
            "the board starts as before; store again"
        )
        assert same(starts_with(chip), OLD)


def test_a_network_that_a_slot_has_no_room_for_is_refused_before_anything_is_written(monkeypatch):
    chip = Chip()
    flash = find_flash(link_of(chip))
    flash.layout = FlashLayout(0x10000, 0x10000)
    monkeypatch.setattr(link_flash, "slot_frames", lambda network: bytes(0xFF01))
    with pytest.raises(
        LoadError, match="^a slot of the board's flash must hold the network's 65281 bytes, and has 65280$"
    ):
        store(flash, NEW)
    assert chip.did == []


def test_generations_end():
    chip = Chip()
    put(chip, 0, OLD, 2**32 - 1)
    with pytest.raises(LoadError, match="^the flash's generations must end at 4294967295, and slot A has it$"):
        store(find_flash(link_of(chip)), NEW)
    assert chip.did == []


def test_a_flash_that_never_gets_ready(monkeypatch):
    monkeypatch.setattr(link_flash, "POLLS", 5)
    chip = Chip()
    link = link_of(chip)
    chip.busy = 10**9
    with pytest.raises(LoadError, match="^the board's flash is still busy after 5 reads of its status$"):
        find_flash(link)


def test_a_board_that_refuses_its_own_register():
    board = board_of(Chip())
    honest = board.flash.access
    board.flash.access = lambda address, value=None: None if address == 0x42C else honest(address, value)
    with pytest.raises(LoadError, match="^the board refused its flash's register 0x42[8C]$"):
        find_flash(Link(VirtualLine(board.receive), seed=1))


def test_a_board_without_a_flash_has_none():
    assert find_flash(Link(VirtualLine(BoardTwin(DESIGN, CONFIG).receive), seed=1)) is None


def test_slots_are_described():
    chip = Chip()
    assert described(find_flash(link_of(chip)).records()) == "slot A has no network; slot B has no network"
    put(chip, 0, OLD, 3)
    put(chip, 1, NEW, 4)
    assert described(find_flash(link_of(chip)).records()) == (
        f"slot A has generation 3 of {DESIGN.fingerprint}; slot B has generation 4 of {DESIGN.fingerprint}, "
        "with which the board starts"
    )
