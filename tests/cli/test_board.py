"""``ohmgate board``: every command against a board in numbers behind a pseudo-terminal."""

import re
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ohmgate.boards import build as board_build
from ohmgate.boards import session
from ohmgate.boards.build import BuildReport
from ohmgate.boards.flow import PHASES, Usage
from ohmgate.firmware import image, keys
from ohmgate.firmware import link as firmware_link
from ohmgate.firmware.signing import key_id
from ohmgate.hdl.board.board_twin import BoardTwin, loaded_network
from ohmgate.hdl.board.config import BoardConfig
from ohmgate.model.design import Design
from ohmgate.model.integer_noise import IntegerNoise
from ohmgate.model.refit import refit, with_adcs
from ohmgate.sim.random_designs import random_network
from tests.boards import desk
from tests.cli.test_errors import refused
from tests.commands import Command
from tests.pretended_board import PretendedBoard

DESIGN = Design.load("vowels")
SMALL = with_adcs(DESIGN, (4, 3))
CONFIG = BoardConfig("icebreaker", 24_000_000, (4, 4))


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return random_network(DESIGN, np.random.default_rng(5), labels=False)


@pytest.fixture(scope="module")
def network_image(network, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("board") / "vowels.image"
    image.write(path, network)
    return path


@pytest.fixture
def board():
    """A board with fewer ADCs than the image's design: (its numbers, its port)."""
    twin = BoardTwin(SMALL, CONFIG)
    with PretendedBoard(twin.receive) as there:
        yield twin, there.port


def test_only_what_a_key_has_signed_is_loaded(ohmgate, network_image, board, tmp_path):
    twin, port = board
    for name in ("maker", "other"):
        assert ohmgate("keygen", tmp_path / f"{name}.pem").exit_code == 0
        signed = tmp_path / f"{name}.image"
        assert ohmgate("sign", network_image, "--key", tmp_path / f"{name}.pem", "--out", signed).exit_code == 0
    maker, other = (key_id(keys.read_public(tmp_path / f"{name}.pub.pem")) for name in ("maker", "other"))
    load = ("--port", port, "--signed-by", tmp_path / "maker.pub.pem")
    for path, said in (
        (network_image, f"it must be by key {maker}, but the image has none"),
        (tmp_path / "other.image", f"it must be by key {maker}, not by key {other}"),
    ):
        assert refused(ohmgate("board", "load", path, *load)) == f"image '{path}': signature: {said}"
    assert not twin.registers.enable
    assert ohmgate("board", "load", tmp_path / "maker.image", *load).exit_code == 0
    assert twin.registers.enable


def test_an_image_is_loaded_verified_run_and_measured(ohmgate, network, network_image, board, monkeypatch):
    twin, port = board
    twin.link.replay_rate = 1  # a round of the buffer for each question: the numbers are no faster
    monkeypatch.setattr(session, "REPLAY_SECONDS", 0.0002)
    loaded = ohmgate("board", "load", network_image, "--port", port, "--verify")
    assert loaded.exit_code == 0, loaded.stderr
    assert loaded.stdout == (
        f"icebreaker: vowels, 4 and 3 ADCs, fingerprint {SMALL.fingerprint}\n"
        "6057 cells, gains and tables are loaded, and the digest of what the board got is right\n"
    )
    assert loaded_network(SMALL, twin.registers).layers == refit(network, SMALL).layers
    ran = ohmgate("board", "run", network_image, "--port", port, "--sequences", 20)
    assert ran.exit_code == 0, ran.stderr
    assert re.fullmatch(r"20 integers compared, 0 differ\naccuracy \d+\.\d+%\n", ran.stdout)
    measured = ohmgate("board", "bench", network_image, "--port", port)
    assert measured.exit_code == 0, measured.stderr
    assert "results from memory agree; over the line 50 integers compared, 0 differ\n" in measured.stdout
    assert measured.stdout.startswith("computing: ")


def test_a_board_that_computes_wrongly_ends_with_status_1(ohmgate, network_image, board):
    twin, port = board
    assert ohmgate("board", "load", network_image, "--port", port).exit_code == 0
    head = twin.registers.levels[1]
    head[:] = np.roll(head, 1, axis=1)
    twin.network = None
    ran = ohmgate("board", "run", network_image, "--port", port, "--dataset", "random", "--sequences", 30)
    assert ran.exit_code == 1
    assert re.match(
        r"30 integers compared, \d+ differ; first: layer 1, sequence \d+, step \d+, unit 0, output", ran.stdout
    )


def test_a_dry_run_writes_nothing_of_the_image(ohmgate, network_image, board):
    twin, port = board
    dry = ohmgate("board", "load", network_image, "--port", port, "--dry-run")
    assert dry.exit_code == 0, dry.stderr
    assert dry.stdout.endswith("the image fits; nothing of it was written\n")
    assert not twin.registers.status["UNLOCKED"]
    assert all((levels == 0).all() for levels in twin.registers.levels)


def test_weights_are_kept_on_request(ohmgate, network_image, board):
    twin, port = board
    assert ohmgate("board", "load", network_image, "--port", port).exit_code == 0
    kept = [levels.copy() for levels in twin.registers.levels]
    twin.registers.gains[0][:] = 1, 1
    again = ohmgate("board", "load", network_image, "--port", port, "--keep-weights")
    assert again.stdout.endswith("gains and tables are loaded\n")
    assert (twin.registers.gains[0] != [1, 1]).any()
    assert all(np.array_equal(one, other) for one, other in zip(kept, twin.registers.levels))


def test_what_a_board_cannot_take_is_one_sentence(ohmgate, network_image, board, tmp_path):
    _, port = board
    assert refused(ohmgate("board", "run", network_image, "--port", port)) == (
        "the board has no network to run: load one with ohmgate board load"
    )
    other = Design("other", (replace(DESIGN.layers[0], hidden=16), replace(DESIGN.layers[1], inputs=16)))
    image.write(tmp_path / "other.image", random_network(other, np.random.default_rng(0), labels=False))
    assert refused(ohmgate("board", "load", tmp_path / "other.image", "--port", port)) == (
        f"the board's chip has the fingerprint {SMALL.fingerprint}, which is not that of 'other' with any number of "
        "ADCs: build and program a board for this design"
    )


def test_a_board_that_is_unplugged_while_it_is_loaded(ohmgate, network_image):
    twin = BoardTwin(SMALL, CONFIG)
    with PretendedBoard(twin.receive, unplug_after=1500) as there:
        sentence = refused(ohmgate("board", "load", network_image, "--port", there.port))
    assert sentence == f"the board on '{there.port}' was unplugged"
    assert not twin.registers.enable


def test_what_answers_nothing_is_no_board(ohmgate, network_image, monkeypatch):
    monkeypatch.setattr(firmware_link, "HELLOS", 3)
    with PretendedBoard(lambda data: b"") as silent:
        assert refused(ohmgate("board", "load", network_image, "--port", silent.port)) == (
            f"no board answers on '{silent.port}'"
        )
    assert refused(ohmgate("board", "load", network_image, "--port", "/dev/none")) == "there is no port '/dev/none'"


def test_the_doctor_talks_to_the_board(ohmgate, board):
    _, port = board
    found = ohmgate("board", "doctor", "--port", port)
    lines = dict(re.findall(r"^(\S+(?: \S+)*) {2,}(.*)$", found.stdout, flags=re.MULTILINE))
    assert lines["port"] == port
    assert lines["board"] == "icebreaker, 24 MHz, 1000000 baud"
    assert re.fullmatch(r"400 frames, \d+\.\d\d ms each, 0 wrong words", lines["line"])
    assert lines["network"] == "none: load one with ohmgate board load"


def test_a_board_with_noise_is_compared_with_the_array_model(ohmgate, network_image):
    twin = BoardTwin(SMALL, replace(CONFIG, noise=True))
    with PretendedBoard(twin.receive) as there:
        loaded = ohmgate("board", "load", network_image, "--port", there.port, "--noise", "7,20,91", "--verify")
        assert loaded.exit_code == 0, loaded.stderr
        assert loaded.stdout.endswith("is right\nnoise: seed 7, programming 20, ADC 91\n")
        assert twin.noise.noise == IntegerNoise(7, 20, 91)
        run = ("board", "run", network_image, "--port", there.port, "--dataset", "random", "--sequences", 20)
        for _ in range(2):  # each from a count begun anew
            ran = ohmgate(*run)
            assert ran.exit_code == 0, ran.stderr
            assert ran.stdout == "noise: seed 7, programming 20, ADC 91\n20 integers compared, 0 differ\n"
        assert refused(ohmgate("board", "bench", network_image, "--port", there.port)) == (
            "the board's arrays have noise, which bench does not compare: load without --noise"
        )
        twin.noise.noise = IntegerNoise(7, 255, 255)
        twin.noise.access = lambda address, value=None: [7, 20 | 91 << 8][address == 0x404]
        assert ohmgate(*run).exit_code == 1, "other noise than the board says"
        del twin.noise.access
        assert ohmgate("board", "load", network_image, "--port", there.port).exit_code == 0
        assert twin.noise.noise == IntegerNoise()
        assert ohmgate(*run).stdout == "20 integers compared, 0 differ\n"


def test_noise_that_cannot_be_is_one_sentence(ohmgate, network_image, board):
    twin, port = board
    load = ("board", "load", network_image, "--port", port, "--noise")
    assert refused(ohmgate(*load, "7,20,91")) == (
        "the board has no noise in its gateware: build and program one with ohmgate board build --noise"
    )
    assert refused(ohmgate(*load, "7,20")) == (
        "the noise must be a seed and the amplitudes of cells and ADCs, as 7,20,91, not '7,20'"
    )
    assert refused(ohmgate(*load, "7,a,20")) == (
        "the noise must be a seed and the amplitudes of cells and ADCs, as 7,20,91, not '7,a,20'"
    )
    assert refused(ohmgate(*load, "7,256,20")) == (
        "amplitude of the programming noise must be an integer from 0 to 255, not 256"
    )
    assert refused(ohmgate(*load, "7,20,91", "--keep-weights")) == (
        "cells get their noise as they are programmed, so --noise cannot go with --keep-weights"
    )
    assert not twin.registers.status["UNLOCKED"]


def test_boards_are_listed(ohmgate):
    listed = ohmgate("board", "list").stdout
    for key in ("ulx3s-25f", "ulx3s-85f", "icebreaker", "hx8k-b-evn", "tangnano9k"):
        assert re.search(rf"^{key} ", listed, flags=re.MULTILINE)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (("build", "vowels", "--board", "none"), "board must be one of ulx3s-25f, ulx3s-85f,"),
        (
            ("build", "vowels", "--board", "icebreaker", "--adcs", "4"),
            "ADCs must be given for the 2 layers, not for 1",
        ),
        (
            ("build", "vowels", "--board", "icebreaker", "--adcs", "a"),
            "ADCs must be integers with commas between, as 4,3, not 'a'",
        ),
        (
            ("build", "vowels", "--board", "icebreaker", "--rows", "4"),
            "rows a cycle must be given for 2 layers, not 1",
        ),
        (
            ("build", "vowels", "--board", "icebreaker", "--rows", "4,400"),
            "layer 1: rows a cycle must be an integer from 1 to 33, not 400",
        ),
        (
            ("build", "vowels", "--board", "icebreaker", "--baud", 1),
            "baud must be an integer from 9600 to 4000000, not 1",
        ),
    ],
)
def test_bad_values_are_refused_before_anything_is_written(ohmgate, tmp_path, arguments, sentence):
    assert refused(ohmgate("board", *arguments, "--out", tmp_path / "out")).startswith(sentence)
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_build_cannot_be_programmed(ohmgate, tmp_path):
    assert refused(ohmgate("board", "program", tmp_path)) == (
        f"'{tmp_path}' must be the folder of a board's build, with a build.json in it"
    )


def test_a_build_leaves_the_image_that_fits_the_board(ohmgate, network, network_image, tmp_path, monkeypatch):
    seen = []

    def build(design, board, config, folder, seed, progress):
        seen.extend((design, config.clock_hz, config.rows, seed))
        for phase in PHASES:
            progress(phase)
        folder.mkdir()
        (folder / "x.bin").write_bytes(bytes(10))
        usage = Usage(luts=4956, flip_flops=3300, memories=23, multipliers=4)
        return BuildReport(
            board.key, design.to_dict(), design.fingerprint, config, seed, 1582, 26_300_000, usage, (), {}, {}, "x.bin",
            "0123456789abcdef" * 4,
        )  # fmt: skip

    monkeypatch.setattr(board_build, "build", build)
    out = tmp_path / "out"
    made = ohmgate(
        "board", "build", network_image, "--board", "icebreaker", "--adcs", "4,3", "--rows", "4,2", "--clock", "21",
        "--seed", 5, "--out", out,
    )  # fmt: skip
    assert made.exit_code == 0, made.stderr
    assert seen == [SMALL, 21_000_000, (4, 2), 5]
    assert image.read(out / "vowels.image") == refit(network, SMALL)
    assert made.stdout == (
        f"{out / 'x.bin'}: 10 bytes, SHA-256 0123456789abcdef\n"
        "4956 of 5280 LUTs, 3300 of 5280 flip-flops, 23 of 30 memories, 4 of 8 multipliers\n"
        "21 MHz, of 26.3 that it could run at\n"
        f"ADCs 4, 3, fingerprint {SMALL.fingerprint}\n"
        f"{out / 'vowels.image'}: the network for this board\n"
    )


@pytest.mark.slow
def test_a_simulated_board_serves_the_other_commands_until_ctrl_c(ohmgate, tmp_path):
    desk.DESIGN.save(tmp_path / "desk.toml")
    image.write(tmp_path / "desk.image", desk.OLD)
    link = tmp_path / "board"
    simulate = Command(
        ("board", "simulate", "desk.toml", "--clock", 25, "--rows", "2,1", "--link", "board"), tmp_path
    )
    simulate.wait_for(lambda _: link.exists())
    loaded = ohmgate("board", "load", tmp_path / "desk.image", "--port", link, "--verify")
    assert loaded.exit_code == 0, loaded.stderr
    ran = ohmgate("board", "run", tmp_path / "desk.image", "--port", link, "--sequences", 5)
    assert (ran.exit_code, ran.stdout.partition(",")[2]) == (0, " 0 differ\n")
    ended = simulate.end(signal.SIGINT)
    assert (ended.status, ended.last) == (130, "ohmgate: interrupted")
    assert not link.is_symlink()
