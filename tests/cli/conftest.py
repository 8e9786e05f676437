"""A small trained run and its image, made once by the commands themselves."""

import pytest
from typer.testing import CliRunner

from ohmgate.cli.main import app


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
