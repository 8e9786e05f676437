"""The house's rules (docs/architecture.md): which package may import which, and where that is said."""

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring

ROOT = Path(__file__).parent.parent
ALLOWED = {
    "model": set(),
    "train": {"model"},
    "analog": {"model"},
    "hdl": {"model"},
    "firmware": {"model"},
    "cost": {"model"},
    "sim": {"model", "train", "analog", "hdl", "firmware"},
    "boards": {"model", "hdl", "firmware"},
    "report": {"model", "train", "analog", "hdl", "firmware", "cost", "sim", "boards"},
    "cli": {"model", "train", "analog", "hdl", "firmware", "cost", "sim", "boards", "report"},
}
#: Rooms of a package, and what of it they may import; "" are the files that are in no room.
ROOMS = {
    "train": {
        "kernel": set(),
        "data": set(),
        "imports": set(),
        "layers": {"kernel"},
        "": {"data", "layers"},
        "export": {"layers", ""},
        "language": {"data", "layers", ""},
        "speech": {"data", "layers", "export", ""},
        "experiments": {"data", "layers", "language", "speech", ""},
    },
    "analog": {
        "memory": {"circuit"},
        "circuit": set(),
        "": {"memory", "circuit"},
        "studies": {"memory", "circuit", ""},
    },
    "hdl": {"": set(), "flow": {""}, "board": {""}, "handoff": {"", "flow"}, "generator": set()},
    "firmware": {"": {"chip"}, "chip": {""}},
    "sim": {"": set(), "native": {""}},
    "cli": {"": {"board", "chip"}, "board": {""}, "chip": {""}},
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
        ("cost/x.py", "from ..hdl.accelerator import layer_latency", "imports hdl"),
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


def components() -> list[type]:
    """Every component of hdl/: a ``wiring.Component`` in one of its files, or in those of its room for boards."""
    files = [*sorted((ROOT / "hdl").glob("[a-z]*.py")), *sorted((ROOT / "hdl" / "board").glob("[a-z]*.py"))]
    names = [".".join(("ohmgate", *path.relative_to(ROOT).with_suffix("").parts)) for path in files]
    modules = [import_module(name) for name in names]
    classes = [(module, kind) for module in modules for kind in vars(module).values() if isinstance(kind, type)]
    return [c for module, c in classes if issubclass(c, wiring.Component) and c.__module__ == module.__name__]


def documented_ports(component: type) -> dict[str, str]:
    """Direction of each port in the table of a component's docstring."""
    assert "| port | direction | shape | meaning |" in (component.__doc__ or ""), "has no table of its ports"
    rows = re.findall(r"^ *\| (`.+`) \| (in|out) \| .+ \| .+ \|$", component.__doc__, flags=re.MULTILINE)
    return {name: direction for names, direction in rows for name in re.findall(r"`(\w+)`", names)}


def check_component(component: type, tests: Path) -> None:
    """Assert the protocol of docs/rtl.md: ports, twin, latency, and cycles for what converts, and a test file.

    A component that drives nothing (no ``m.d`` in its own methods) only wires others: it has no numbers of its own.
    """
    ports = documented_ports(component)
    test = tests / f"test_{component.__module__.split('.')[-1]}.py"
    assert test.is_file(), "has no test file"
    assert component.__name__ in test.read_text(encoding="utf-8"), "is not in its test file"
    own = [method for method in vars(component).values() if inspect.isfunction(method)]
    if not any(re.search(r"\bm\.d\b", inspect.getsource(method)) for method in own):
        return
    assert callable(getattr(component, "model", None)), "has no model()"
    assert isinstance(getattr(component, "latency", None), int | property), "has no latency"
    converts = any(re.match(r"convert$|array", name) for name, direction in ports.items() if direction == "out")
    assert not converts or callable(getattr(component, "cycles", None)), "converts, but has no cycles()"


class Example(wiring.Component):
    """A component that keeps to the protocol.

    | port | direction | shape | meaning |
    | --- | --- | --- | --- |
    | `convert` | out | 1 bit | begins a conversion |
    """

    latency = 1

    def __init__(self):
        super().__init__({"convert": wiring.Out(1)})

    def model(self) -> int:
        return 1

    def cycles(self, conversion: int) -> int:
        return conversion

    def elaborate(self, platform):
        m = Module()
        m.d.sync += Signal(name="x").eq(1)
        return m


@pytest.mark.parametrize(
    "change, said",
    [
        ({"__doc__": "No ports."}, "has no table of its ports"),
        ({"model": None}, r"has no model\(\)"),
        ({"latency": None}, "has no latency"),
        ({"latency": Example.cycles}, "has no latency"),
        ({"cycles": None}, r"converts, but has no cycles\(\)"),
        ({"__name__": "Other"}, "is not in its test file"),
        ({"__module__": "tests.test_other"}, "has no test file"),
    ],
)
def test_a_component_without_its_protocol_is_seen(tmp_path, change, said):
    (tmp_path / "test_test_house.py").write_text("Example")
    check_component(Example, tmp_path)
    changed = type(change.get("__name__", "Example"), (Example,), {**vars(Example), **change})
    with pytest.raises(AssertionError, match=said):
        check_component(changed, tmp_path)


def test_only_shells_have_no_twin_and_a_file_has_one_component():
    found = components()
    assert {c.__name__ for c in found if not hasattr(c, "model")} == {"ArrayMacro", "Chip"}
    assert len({c.__module__ for c in found}) == len(found)


def test_a_component_that_only_wires_needs_no_twin(tmp_path):
    (tmp_path / "test_test_house.py").write_text("Example")
    shell = {"model": None, "latency": None, "cycles": None, "elaborate": lambda self, platform: Module()}
    check_component(type("Example", (Example,), {**vars(Example), **shell}), tmp_path)


@pytest.mark.parametrize("component", components(), ids=lambda c: c.__name__)
def test_components_keep_to_one_protocol(component):
    room = ("hdl", "board") if component.__module__.startswith("ohmgate.hdl.board.") else ("hdl",)
    check_component(component, ROOT.joinpath("tests", *room))


def test_every_folder_of_the_readme_is_there():
    layout = (ROOT / "README.md").read_text(encoding="utf-8").split("## Layout")[1].split("## ")[0]
    folders = set(re.findall(r"`(\w+)/`", layout))
    assert folders >= set(ALLOWED) | {"designs", "docs", "tests"}
    for folder in sorted(folders):
        assert (ROOT / folder).is_dir(), f"README names {folder}/, which is not there"
