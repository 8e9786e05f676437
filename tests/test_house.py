"""The house's rules (docs/architecture.md): which package may import which, and that its pages keep up."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ohmgate.cli.main import app

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "model": set(),
    "train": {"model"},
    "analog": {"model"},
    "hdl": {"model"},
    "firmware": {"model"},
    "sim": {"model", "train", "analog", "hdl", "firmware"},
    "cli": {"model", "train", "analog", "hdl", "firmware", "sim"},
}
MODULES = [path for package in ALLOWED for path in sorted((ROOT / package).glob("*.py"))]


def imports(text: str, package: str) -> tuple[set[str], set[str]]:
    """(packages of the house, other top-level modules) that a module's source imports, wherever it does."""
    house, others = set(), set()
    for node in ast.walk(ast.parse(text)):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [
                f"{node.module}.{alias.name}" if node.module == "ohmgate" else node.module for alias in node.names
            ]
        elif isinstance(node, ast.ImportFrom) and node.level == 2:
            house |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1, "an import leaves the package ohmgate"
        for name in names:
            first, *rest = name.split(".")
            if first == "ohmgate":
                house |= set(rest[:1])
            else:
                others.add(first)
    return house - {package}, others


def test_imports_are_seen_in_every_form():
    text = "import torch.nn\nfrom ..sim import cosim\nfrom .. import hdl\nimport ohmgate.train.noise\n"
    text += "def f():\n    from ohmgate import analog\n    from ohmgate.cli.main import app\n    from . import x\n"
    assert imports(text, "model") == ({"sim", "hdl", "train", "analog", "cli"}, {"torch"})


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_packages_import_only_what_the_house_allows(path):
    package = path.parent.name
    house, others = imports(path.read_text(encoding="utf-8"), package)
    assert house <= ALLOWED[package]
    if package != "train":
        assert "torch" not in others
    assert "tests" not in others


def test_every_folder_of_the_readme_is_there():
    layout = (ROOT / "README.md").read_text(encoding="utf-8").split("## Layout")[1].split("## ")[0]
    folders = set(re.findall(r"`(\w+)/`", layout))
    assert folders >= set(ALLOWED) | {"designs", "docs", "tests"}
    for folder in sorted(folders):
        assert (ROOT / folder).is_dir(), f"README names {folder}/, which is not there"


@pytest.mark.parametrize("page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda p: p.name)
def test_links_of_the_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", ROOT / "docs" / "architecture.md", ROOT / "docs" / "simulation.md"],
    ids=lambda p: p.name,
)
def test_commands_of_the_pages_exist_with_their_options(page):
    lines = re.findall(r"^ {4}(ohmgate .*?)(?: +#.*)?$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for line in lines:
        _, command, *arguments = line.split()
        help_page = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"})
        assert help_page.exit_code == 0, line
        for option in (a for a in arguments if a.startswith("--")):
            assert option in help_page.output, f"{page.name}: {line} has no option {option}"


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
    assert written == (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8"), "run `make docs`"
