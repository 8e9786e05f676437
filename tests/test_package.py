"""What users install: both distributions hold every file of the package, and what a wheel installs works."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from ohmgate import __version__
from ohmgate.firmware import c_header
from ohmgate.model.design import Design

ROOT = Path(__file__).parent.parent
FOLDERS = sorted(path.name for path in (ROOT / "ohmgate").iterdir() if path.is_symlink())


def run(*command: str | Path, folder: Path) -> str:
    """What the command prints, in ``folder`` and without the ways to this checkout."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=folder, env=outside, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(tree: Path, what: str, out: Path) -> Path:
    """A ``wheel`` or an ``sdist`` of ``tree`` in ``out``, with the setuptools that is installed, offline."""
    code = f"from setuptools import build_meta; print(build_meta.build_{what}({str(out)!r}))"
    return out / run(sys.executable, "-c", code, folder=tree).split()[-1]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> tuple[Path, Path]:
    """The source distribution of a copy of this checkout, and the wheel of what it unpacks to."""
    folder = tmp_path_factory.mktemp("package")
    tree, out = folder / "tree", folder / "out"
    for name in ("ohmgate", *FOLDERS):
        shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    out.mkdir()
    source = build(tree, "sdist", out)
    with tarfile.open(source) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    [unpacked] = (folder / "unpacked").iterdir()
    return source, build(unpacked, "wheel", out)


def test_both_hold_every_file_of_the_package(built):
    source, wheel = built
    files = {}
    for name in (".", *FOLDERS):
        top = ROOT / "ohmgate" / name
        for path in top.resolve().rglob("*"):
            inside = path.relative_to(top.resolve())
            if path.is_file() and "__pycache__" not in inside.parts and not inside.name.startswith("."):
                files[Path("ohmgate", name, inside).as_posix()] = path.read_bytes()
    assert {Path(name).suffix for name in files} >= {".py", ".pyi", ".toml", ".npz", ".j2", ".cpp", ".h", ".c", ".md"}
    with zipfile.ZipFile(wheel) as archive:
        assert {name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name} == files
    with tarfile.open(source) as archive:
        real = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    assert set(files) <= real


def test_an_installed_wheel_generates_a_design(built, tmp_path):
    _, wheel = built
    venv.create(tmp_path / "venv", symlinks=True)
    places = {"base": str(tmp_path / "venv"), "platbase": str(tmp_path / "venv")}
    site, scripts = (Path(sysconfig.get_path(name, vars=places)) for name in ("purelib", "scripts"))
    python = scripts / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, folder=tmp_path)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")  # whose own .pth files do not count
    where = run(python, "-c", "import ohmgate.cli; print(ohmgate.cli.__file__)", folder=tmp_path)
    assert where.strip() == str(site / "ohmgate" / "cli" / "__init__.py")
    assert run(scripts / "ohmgate", "--version", folder=tmp_path) == f"ohmgate {__version__}\n"
    run(scripts / "ohmgate", "generate", "vowels", "--out", "x", folder=tmp_path)
    assert (tmp_path / "x" / "ohmgate.h").read_text() == c_header.header()
    assert Design.load("vowels").fingerprint in (tmp_path / "x" / "vowels_registers.md").read_text()
    assert (tmp_path / "x" / "vowels.v").read_text().count("\nmodule ") > 10
