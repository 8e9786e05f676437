"""The house's rules (docs/architecture.md): which package may import which, and where that is said."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "model": set(),
    "train": {"model"},
    "analog": {"model"},
    "hdl": {"model"},
    "firmware": {"model"},
    "sim": {"model", "train", "analog", "hdl", "firmware"},
    "report": {"model", "train", "analog", "hdl", "firmware", "sim"},
    "cli": {"model", "train", "analog", "hdl", "firmware", "sim", "report"},
}
#: Rooms of a package, and what of it they may import; "" are the files that are in no room.
ROOMS = {
    "train": {
        "kernel": set(),
        "data": set(),
        "layers": {"kernel"},
        "export": {"layers", ""},
        "": {"data", "layers", "export"},
        "language": {"data", "layers", ""},
        "experiments": {"data", "layers", "language", ""},
    },
    "analog": {
        "memory": {"circuit"},
        "circuit": set(),
        "": {"memory", "circuit"},
        "studies": {"memory", "circuit", ""},
    },
    "hdl": {"": set(), "flow": {""}},
}
MODULES = [path.relative_to(ROOT) for package in ALLOWED for path in sorted((ROOT / package).rglob("*.py"))]


def imports(text: str, path: Path) -> tuple[set[tuple[str, str]], set[str]]:
    """((package, room) of the house's own modules, other top-level modules) that the source at ``path`` imports."""
    house, others = set(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = ("ohmgate", *path.with_suffix("").parts)[: -node.level] if node.level else ()
            assert above or not node.level, "an import leaves the package ohmgate"
            source = [*above, *(node.module.split(".") if node.module else ())]
            names = [[*source, alias.name] for alias in node.names]
        else:
            continue
        for first, *rest in names:
            if first == "ohmgate" and rest:
                house.add((rest[0], room_of(Path(*rest))))
            else:
                others.add(first)
    return house, others


def room_of(path: Path) -> str:
    """The folder of a package that a module is in, "" for none."""
    package, *rest = path.parts
    return rest[0] if rest and rest[0] in ROOMS.get(package, ()) else ""


def check_imports(text: str, path: Path) -> None:
    """Assert the house's arrows for a module's source."""
    house, others = imports(text, path)
    package, room = path.parts[0], room_of(path)
    for other, other_room in house:
        if other == package:
            assert other_room == room or other_room in ROOMS.get(package, {}).get(room, ()), f"imports {other_room}/"
        else:
            assert other in ALLOWED[package], f"imports {other}"
    assert "torch" not in others or package == "train", "imports torch"
    assert "tests" not in others, "imports tests"


def test_imports_are_seen_in_every_form():
    text = "import torch.nn\nfrom ..sim import cosim\nfrom .. import hdl\nimport ohmgate.train.layers.noise\n"
    text += "def f():\n    from ohmgate import analog\n    from ohmgate.cli.main import app\n    from . import x\n"
    house = {("sim", ""), ("hdl", ""), ("train", "layers"), ("analog", ""), ("cli", ""), ("model", "")}
    assert imports(text, Path("model/x.py")) == (house, {"torch"})
    deep = "from ...sim import cosim\nfrom ..flow import emit\nfrom .x import y\nfrom ... import cli\n"
    assert imports(deep, Path("hdl/flow/x.py"))[0] == {("sim", ""), ("hdl", "flow"), ("cli", "")}


@pytest.mark.parametrize(
    "path, text, said",
    [
        ("train/layers/x.py", "from ...hdl import chip", "imports hdl"),
        ("train/layers/x.py", "from ohmgate.analog.array import Array", "imports analog"),
        ("train/layers/x.py", "from ..experiments import sweep", "imports experiments/"),
        ("analog/circuit/x.py", "from ..studies.budget import enob", "imports studies/"),
        ("analog/circuit/x.py", "def f():\n    import torch", "imports torch"),
        ("hdl/x.py", "from .flow.emit import emit", "imports flow/"),
        ("report/x.py", "from ..cli import runs", "imports cli"),
        ("model/x.py", "import tests.designs", "imports tests"),
        ("train/layers/x.py", "from .... import x", "leaves the package"),
    ],
)
def test_a_forbidden_arrow_is_seen_at_any_depth(path, text, said):
    with pytest.raises(AssertionError, match=said):
        check_imports(text, Path(path))


def test_every_room_is_checked():
    folders = {path.parent.as_posix() for path in MODULES}
    assert folders == set(ALLOWED) | {f"{package}/{room}" for package in ROOMS for room in ROOMS[package] if room}


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_modules_import_only_what_the_house_allows(path):
    check_imports((ROOT / path).read_text(encoding="utf-8"), path)


def test_commands_do_not_borrow_from_commands():
    commands = {path.stem: path for path in (ROOT / "cli").glob("*.py") if "EXAMPLES" in path.read_text("utf-8")}
    del commands["main"]
    for name, path in commands.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level == 1:
                borrowed = {node.module, *(alias.name for alias in node.names if node.module is None)}
                assert not borrowed & set(commands), f"{name} imports {borrowed & set(commands)}"


def test_every_folder_of_the_readme_is_there():
    layout = (ROOT / "README.md").read_text(encoding="utf-8").split("## Layout")[1].split("## ")[0]
    folders = set(re.findall(r"`(\w+)/`", layout))
    assert folders >= set(ALLOWED) | {"designs", "docs", "tests"}
    for folder in sorted(folders):
        assert (ROOT / folder).is_dir(), f"README names {folder}/, which is not there"
