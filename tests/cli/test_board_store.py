"""``ohmgate board store``: an image goes into the flash of a board in numbers, which starts with it; what the others say."""

import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ohmgate.firmware import image, keys
from ohmgate.firmware.signing import key_id, sign
from ohmgate.hdl.board.board_twin import BoardTwin
from ohmgate.model.design import Design
from tests.boards.desk import CONFIG, DESIGN, NEW, OLD
from tests.cli.test_errors import refused
from tests.commands import Command
from tests.designs import random_network
from tests.firmware.test_link_flash import LAYOUT, Chip, board_of, put, same, starts_with
from tests.pretended_board import PretendedBoard


@pytest.fixture
def new(tmp_path) -> Path:
    path = tmp_path / "new.image"
    image.write(path, NEW)
    return path


def test_a_board_starts_with_what_was_stored(ohmgate, new):
    chip = Chip()
    put(chip, 0, OLD, 6)
    with PretendedBoard(board_of(chip).receive) as there:
        stored = ohmgate("board", "store", new, "--port", there.port)
    assert stored.exit_code == 0, stored.stderr
    assert stored.stdout == (
        f"desk: desk, fingerprint {DESIGN.fingerprint}, is in slot B, generation 7, of its flash\n"
        "the board starts with it when power comes back; until then it runs what it has\n"
    )
    assert same(starts_with(chip), NEW)
    with PretendedBoard(board_of(chip).receive) as there:
        ran = ohmgate("board", "run", new, "--port", there.port, "--dataset", "random", "--sequences", 5)
    assert (ran.exit_code, ran.stdout.partition(",")[2]) == (0, " 0 differ\n")


def test_load_and_doctor_say_what_the_flash_has(ohmgate, new):
    chip = Chip()
    put(chip, 0, OLD, 6)
    slots = f"slot A has generation 6 of {DESIGN.fingerprint}, with which the board starts; slot B has no network"
    with PretendedBoard(board_of(chip).receive) as there:
        assert ohmgate("board", "load", new, "--port", there.port, "--verify").stdout.endswith(
            f" is right\nthe flash stays as it is: {slots}\n"
        )
        assert f"\nflash                {slots}\n" in ohmgate("board", "doctor", "--port", there.port).stdout
    assert chip.did == []
    with PretendedBoard(BoardTwin(DESIGN, CONFIG).receive) as there:
        assert "\nflash                keeps no network\n" in ohmgate("board", "doctor", "--port", there.port).stdout


def test_what_cannot_be_stored_is_one_sentence(ohmgate, new, tmp_path):
    other = Design("other", (replace(DESIGN.layers[0], hidden=4), replace(DESIGN.layers[1], inputs=4)))
    image.write(tmp_path / "other.image", random_network(other, np.random.default_rng(0)))
    with PretendedBoard(BoardTwin(DESIGN, CONFIG).receive) as there:
        assert refused(ohmgate("board", "store", new, "--port", there.port)) == (
            "the board 'desk' must keep a network in its flash, and its gateware has no such flash"
        )
    chip = Chip()
    with PretendedBoard(board_of(chip).receive) as there:
        assert refused(ohmgate("board", "store", tmp_path / "other.image", "--port", there.port)) == (
            f"the board's chip has the fingerprint {DESIGN.fingerprint}, which is not that of 'other' with any number of "
            "ADCs: build and program a board for this design"
        )
        assert chip.did == []
        chip.stuck = {LAYOUT.first + 256: 0x41}
        assert refused(ohmgate("board", "store", new, "--port", there.port)) == (
            "byte 256 of slot A must be 0x00 in the board's flash, and is 0x41: the board starts as before; store again"
        )
    assert starts_with(chip) is None


def test_only_what_a_key_has_signed_is_stored(ohmgate, new, tmp_path):
    public = keys.make(tmp_path / "maker.pem", tmp_path / "maker.pub.pem")
    (tmp_path / "signed.image").write_bytes(sign(new.read_bytes(), keys.read_private(tmp_path / "maker.pem")))
    chip = Chip()
    with PretendedBoard(board_of(chip).receive) as there:
        store = ("--port", there.port, "--signed-by", tmp_path / "maker.pub.pem")
        assert refused(ohmgate("board", "store", new, *store)) == (
            f"image '{new}': signature: it must be by key {key_id(public)}, but the image has none"
        )
        assert chip.did == []
        assert ohmgate("board", "store", tmp_path / "signed.image", *store).exit_code == 0
    assert same(starts_with(chip), NEW)


def test_ctrl_c_leaves_the_old_network(new, tmp_path):
    chip = Chip()
    put(chip, 0, OLD, 1)
    board = board_of(chip)
    with PretendedBoard(lambda data: board.receive(data) if len(chip.did) < 3 else b"") as there:
        store = Command(("board", "store", new, "--port", there.port), tmp_path)
        store.wait_for(lambda _: len(chip.did) >= 3)
        ended = store.end(signal.SIGINT)
    assert (ended.status, ended.last) == (130, "ohmgate: interrupted")
    assert same(starts_with(chip), OLD)
