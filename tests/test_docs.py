"""The pages: the site builds without a warning, links lead somewhere, commands and notebooks run."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import nbclient
import nbformat
import pytest
from typer.testing import CliRunner

import ohmgate
from ohmgate.cli.main import app
from ohmgate.firmware import image
from tests import commands
from tests.firmware.fake_device import FakeDevice

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
TUTORIALS = sorted((DOCS / "tutorials").glob("*.md"))
LONG = re.compile(r"#.*\b(minute|minutes|hours)\b")  #: a line whose comment says so is not run here
AN4 = Path(os.environ.get("OHMGATE_DATA", "none"), "an4_mfcc.npz")
ON_AN4 = (pytest.mark.full, pytest.mark.skipif(not AN4.is_file(), reason="needs an4_mfcc.npz"))
SHORTER = {  #: what runs here beside the page's options
    "train": ["--epochs", "2"],
    "montecarlo": ["--draws", "2"],
    "simulate": ["--sequences", "1"],
}


def blocks(text: str, language: str) -> list[tuple[str, str]]:
    """(title, content) of the fenced blocks of a page; "" where a block has no title."""
    return re.findall(rf'^```{language}(?: title="([^"]*)")?\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_the_site_builds_without_a_warning_and_takes_nothing_from_elsewhere(tmp_path):
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(build, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert pages
    for page in pages:
        outside = re.findall(r"<(?:script|img|link)[^>]*(?:src|href)=\"?(https?://[^\" >]*)", page.read_text("utf-8"))
        assert outside == [], page.name


def test_every_name_of_the_package_is_on_the_page_of_the_api():
    page = (DOCS / "api" / "index.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^::: ohmgate\.(\w+)$", page, re.MULTILINE)) == set(ohmgate.__all__)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_of_the_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


COMMANDS = [
    (page_name(page), line.strip())
    for page in PAGES
    for line in re.findall(r"(?:^(?: {4})?|`)(ohmgate [a-z][^`#\n]*)", page.read_text(encoding="utf-8"), re.MULTILINE)
]


@cache
def options_of(*command: str) -> set[str]:
    """Options in a command's help."""
    help_page = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "200"})
    assert help_page.exit_code == 0, command
    return set(re.findall(r"--[a-z][a-z-]*", help_page.output))


@pytest.mark.parametrize("page, line", sorted(set(COMMANDS)))
def test_a_command_of_a_page_exists_with_its_options(page, line):
    _, command, *arguments = line.split()
    groups = [command] if command in ("board", "chip") and arguments else []
    path = [*groups, arguments.pop(0)] if groups else [command]
    assert {word.partition("=")[0] for word in arguments if word.startswith("--")} <= options_of(*path)


def test_the_page_of_the_command_line_is_its_help(tmp_path):
    command = [
        "-m",
        "typer",
        "ohmgate.cli.main",
        "utils",
        "docs",
        "--name",
        "ohmgate",
        "--output",
        tmp_path / "page.md",
    ]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)  # what `make docs` runs
    written = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert written == (DOCS / "command-line.md").read_text(encoding="utf-8"), "run `make docs`"


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A folder with a small runs/demo, as the tutorials expect one."""
    folder = tmp_path_factory.mktemp("reader")
    for name in ("designs", "results"):
        shutil.copytree(ROOT / name, folder / name)
    for line in ("train vowels --out runs/demo --epochs 2", "pack runs/demo"):
        ended = commands.run(line.split(), folder)
        assert ended.status == 0, ended.err
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_a_tutorial_works_as_it_is_written(page, demo, tmp_path, monkeypatch):
    folder = shutil.copytree(demo, tmp_path / "reader")
    text = page.read_text(encoding="utf-8")
    for language in ("toml", "c", "python"):
        for title, content in blocks(text, language):
            if title:
                (folder / title).write_text(content, encoding="utf-8")
    lines = [line for _, block in blocks(text, "sh") for line in block.splitlines()]
    assert lines
    for line in lines:
        program, *arguments = re.sub(r" +#.*", "", line).split()
        if LONG.search(line):
            continue
        if program == "ohmgate":
            ended = commands.run([*arguments, *SHORTER.get(arguments[0], [])], folder)
            assert ended.status == 0, f"{line}: {ended.err}"
        else:
            path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
            subprocess.run(line, shell=True, check=True, cwd=folder, env=os.environ | {"PATH": path})
    monkeypatch.chdir(folder)
    device = FakeDevice(image.read(folder / "runs/demo/vowels.image").design)
    for title, block in blocks(text, "python"):
        if title:
            continue
        exec(block, {"BASE": 0, "peek": device.read, "poke": device.write})
    assert device.enabled == (page.stem == "board")


NOTEBOOKS = [
    pytest.param(path, marks=ON_AN4 if path.stem == "speech_to_text" else (), id=path.stem)
    for path in sorted((DOCS / "notebooks").glob("*.ipynb"))
]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS)
def test_a_notebook_runs(path, tmp_path):
    """A cell that fails, an assertion included, ends it with an error."""
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
