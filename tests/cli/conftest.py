"""A small trained run and its image, made once by the commands themselves."""

import pytest
from typer.testing import CliRunner

from ohmgate.cli.main import app
from tests.commands import run as run_command


@pytest.fixture(scope="session")
def ohmgate():
    """Runs the command line: ``ohmgate("inspect", path)`` -> result with exit_code, stdout, stderr."""

    def run(*arguments):
        return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)

    return run


@pytest.fixture(scope="session")
def run_folder(ohmgate, tmp_path_factory):
    """A run of two epochs of the preset vowels, with its image."""
    folder = tmp_path_factory.mktemp("run") / "vowels"
    result = ohmgate("train", "vowels", "--epochs", 2, "--out", folder)
    assert result.exit_code == 0, result.stderr
    result = ohmgate("pack", folder)
    assert result.exit_code == 0, result.stderr
    return folder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A design of the data set vowels, trained for an epoch, and its image."""
    folder = tmp_path_factory.mktemp("tiny")
    (folder / "tiny.toml").write_text(
        'name = "tiny"\n[[layer]]\nkind = "lstm"\ninputs = 12\nhidden = 2\nadcs = 8\n'
        '[[layer]]\nkind = "dense"\ninputs = 2\noutputs = 9\nadcs = 9\noutput = "argmax"\nemit = "end"\n'
    )
    (folder / "one.toml").write_text('name = "one"\n[[layer]]\nkind = "dense"\ninputs = 1\noutputs = 1\nadcs = 1\n')
    for arguments in (("train", "tiny.toml", "--epochs", 1, "--out", "run"), ("pack", "run")):
        assert run_command(arguments, folder).status == 0
    return folder
