"""Bitstreams are written with openFPGALoader: here a script that notes how it was called."""

import json

import pytest

from ohmgate.boards import program as module
from ohmgate.boards.program import program, read_build
from ohmgate.model.formats import DesignError
from ohmgate.model.programs import ProgramError

SCRIPT = """#!/bin/sh
[ "$1" = --Version ] && exit 0
echo "$@" > {note}
echo unable to open ftdi device: -3
echo 'JTAG init failed with: unable to open ftdi device'
exit {status}
"""


@pytest.fixture
def build(tmp_path):
    folder = tmp_path / "build"
    folder.mkdir()
    (folder / "build.json").write_text(json.dumps({"board": "tangnano9k", "bitstream": "x.fs"}))
    (folder / "x.fs").write_bytes(b"bits")
    return folder


def pretend(monkeypatch, tmp_path, status: int):
    script = tmp_path / "openFPGALoader"
    script.write_text(SCRIPT.format(note=tmp_path / "note", status=status))
    script.chmod(0o755)
    monkeypatch.setattr(module, "find_command", lambda name: str(script))


@pytest.mark.parametrize("flash, option", [(False, ""), (True, "--write-flash ")])
def test_the_bitstream_goes_to_its_board(monkeypatch, tmp_path, build, flash, option):
    pretend(monkeypatch, tmp_path, 0)
    assert program(build, flash).key == "tangnano9k"
    assert (tmp_path / "note").read_text() == f"--board tangnano9k {option}{build / 'x.fs'}\n"


def test_a_programmer_that_fails_is_quoted(monkeypatch, tmp_path, build):
    pretend(monkeypatch, tmp_path, 1)
    with pytest.raises(ProgramError) as error:
        program(build)
    assert str(error.value) == (
        "openFPGALoader cannot write to Sipeed Tang Nano 9K, GW1NR-9: JTAG init failed with: unable to open ftdi device"
    )


def test_a_build_without_its_bitstream_is_refused(build):
    (build / "x.fs").unlink()
    with pytest.raises(DesignError, match=r"must have its bitstream 'x.fs', but has none$"):
        read_build(build)
