"""Builds a native simulation: Verilator's C++ of the chip, and what is the same for every chip, once for all."""

import hashlib
import os
import platform
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from filelock import FileLock

from ...hdl.chip import Chip, chip_ports
from ...hdl.flow.emit import emit
from ...hdl.flow.verilator import tool_path, verilator_root
from ...hdl.macro_views import unique_layers
from ...model.caches import cache_home
from ...model.design import Design
from ...model.files import whole
from ...model.prerequisites import POD_USAGE, require, require_no_blank
from ...model.programs import ProgramError, ended, run_program, work_folder
from ..interleaving import check_traced
from .array_view import array_view, call_words

NEEDS = ("verilator", "c++", POD_USAGE)
HEADER, SOURCES = "simulator.h", ("simulator.cpp", "array.cpp")
RUNTIME = ("verilated.cpp", "verilated_threads.cpp", "verilated_dpi.cpp")  #: Verilator's own, that a program needs
PROGRAM, PREFIX = "simulator", "Vchip"
#: The warnings are the linter's business (hdl/flow/lint.py). Nothing in the Verilog depends on an X.
VERILATE = (
    *("--cc", "--prefix", PREFIX, "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert"),
    *("-Wno-fatal", "-Wno-lint", "-Wno-style", "--output-split", "0"),
)
COMMON = ("-std=c++20", "-w", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0", "-DVM_TRACE=0")
BENCH = ("-march=native", *COMMON)
FAST, SLOW = "-O1", "-O0"  #: of the chip: -O3 is no faster than -O1, and -O0 compiles in half the time
JOINT = "___05F"  #: what Verilator makes of two underscores in a name
LONG = 2e6  #: clock cycles from which on the faster one pays


@dataclass(frozen=True)
class NativeBuild:
    """A compiled simulation of one chip."""

    design: Design
    program: Path
    trace: bool


def optimisation(cycles: float) -> str:
    """The compiler's option for a simulation of so many clock cycles."""
    return FAST if cycles >= LONG else SLOW


def build(design: Design, folder: Path, cycles: float = LONG, trace: bool = True) -> NativeBuild:
    """Compile the chip of ``design`` for about ``cycles`` clock cycles into ``folder``, unless it is there already.

    ``trace`` adds the trace ports. Raises :class:`DesignError` for a design that the RTL does not take, or where a
    tool is missing, fails or is killed.
    """
    design.check_hardware()
    check_traced(design, trace)
    require_tools()
    sources = verilog(design, trace)
    sources["chip.cpp"] = chip_source(design, trace)
    how = optimisation(cycles)
    with tool_path():
        library = runtime()
        digest = hashlib.sha256(repr((sources, how, library.name, VERILATE)).encode()).hexdigest()[:16]
        program = folder.resolve() / f"{PROGRAM}_{digest}"
        if not program.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with work_folder("ohmgate_native_") as place:
                _compile(sources, place, program, library, design.name, how)
    return NativeBuild(design, program, trace)


def require_tools() -> None:
    """Raise :class:`DesignError` where a tool is missing, or lies where it cannot work."""
    require("a native simulation", NEEDS)
    if root := verilator_root():
        require_no_blank("a build with verilator", root)


def verilog(design: Design, trace: bool = True) -> dict[str, str]:
    """The Verilog of a build by its files' names: the chip that is generated, and the views of its macros."""
    words = call_words(design.layers)
    files = {f"{design.name}.v": emit(Chip(design, trace), design.name)}
    return files | {f"{layer.macro_name}.sv": array_view(layer, words) for layer in unique_layers(design)}


def trace_names(design: Design, trace: bool) -> list[str]:
    """Ports with intermediate results, each of which has one NAME_valid beside it."""
    names = [port.name for port in chip_ports(design, trace)]
    return [name for name in names if f"{name}_valid" in names]


def chip_source(design: Design, trace: bool) -> str:
    """C++ that gives the generated class the ports' common names."""
    names, joint = [name.replace("__", JOINT) for name in trace_names(design, trace)], JOINT
    valid = "\n".join(f"        case {k}: return model.{name}_valid;" for k, name in enumerate(names))
    layers = range(len(design.layers) if design.contexts > 1 else 0)
    context = "\n".join(f"        case {k}: return model.trace_{k}{joint}context;" for k in layers)
    value = "\n".join(f"        case {k}: get(model.{name}, words); break;" for k, name in enumerate(names))
    return f"""#include "{PREFIX}.cpp"
#include "{HEADER}"

namespace {{

template <class Port> void put(Port &port, ohmgate::Words words) {{
    uint64_t value = words[0];
    if constexpr (sizeof(Port) > 4) value |= uint64_t(words[1]) << 32;
    port = Port(value);
}}
template <std::size_t N> void put(VlWide<N> &port, ohmgate::Words words) {{
    for (std::size_t k = 0; k < N; k++) port[k] = words[k];
}}
template <class Port> void get(const Port &port, uint32_t *words) {{
    words[0] = uint32_t(port);
    if constexpr (sizeof(Port) > 4) words[1] = uint32_t(port >> 32);
}}
template <std::size_t N> void get(const VlWide<N> &port, uint32_t *words) {{
    for (std::size_t k = 0; k < N; k++) words[k] = port[k];
}}

struct Made : ohmgate::Chip {{
    VerilatedContext context;
    {PREFIX} model{{&context}};
    void eval(bool clock) override {{ model.clk = clock; model.eval(); }}
    void reset(bool on) override {{ model.rst = on; }}
    void bus(bool active, bool write, uint32_t address, uint32_t word) override {{
        model.bus{joint}cyc = model.bus{joint}stb = active;
        model.bus{joint}we = write;
        model.bus{joint}adr = address;
        model.bus{joint}dat_w = word;
        model.bus{joint}sel = 15;
    }}
    bool bus_acknowledged() override {{ return model.bus{joint}ack; }}
    bool bus_refused() override {{ return model.bus{joint}err; }}
    uint32_t bus_word() override {{ return model.bus{joint}dat_r; }}
    void input(bool valid) override {{ model.x{joint}valid = valid; }}
    void input_payload(ohmgate::Words payload) override {{ put(model.x{joint}payload, payload); }}
    bool input_ready() override {{ return model.x{joint}ready; }}
    void result_ready(bool ready) override {{ model.y{joint}ready = ready; }}
    bool result_valid() override {{ return model.y{joint}valid; }}
    void result(uint32_t *words) override {{ get(model.y{joint}payload, words); }}
    int step_context(int array) override {{
        switch (array) {{
{context}
        }}
        return 0;
    }}
    bool traced(int trace) override {{
        switch (trace) {{
{valid}
        }}
        return false;
    }}
    void trace(int trace, uint32_t *words) override {{
        switch (trace) {{
{value}
        }}
    }}
}};

}}  // namespace

ohmgate::Chip *ohmgate::make_chip() {{ return new Made; }}
"""


def runtime_library() -> Path:
    """Make what is the same for every chip, unless it is there; its path."""
    require_tools()
    with tool_path():
        return runtime()


def runtime() -> Path:
    """The library of what is the same for every chip; in the user's cache, by its content. Within ``tool_path``."""
    folder = resources.files("ohmgate.sim.native")
    sources = {name: folder.joinpath(name).read_text(encoding="utf-8") for name in (HEADER, *SOURCES)}
    include = verilator_include()
    compiler = compiler_path()
    version = run_program(["verilator", "--version"], Path.cwd()).stdout
    content = repr((sources, BENCH, version, compiler, platform.machine(), _instruction_set()))
    cache = cache_home() / "ohmgate"
    library = cache / f"native_{hashlib.sha256(content.encode()).hexdigest()[:16]}.a"
    with FileLock(library.with_suffix(".lock")):
        if not library.exists():
            with work_folder("ohmgate_native_") as place:
                for name, text in sources.items():
                    (place / name).write_text(text, encoding="utf-8")
                objects = []
                given = [(name, "-O3") for name in SOURCES] + [(include / name, "-O1") for name in RUNTIME]
                for source, how in given:
                    objects.append(f"{Path(source).stem}.o")
                    command = [compiler, how, *BENCH, *_includes(include), "-c", str(source), "-o", objects[-1]]
                    _run(command, place, "c++")
                _run(["ar", "rcs", library.name, *objects], place, "ar")
                with whole(library) as part:
                    shutil.copy(place / library.name, part)
    return library


def _compile(sources: dict[str, str], place: Path, program: Path, library: Path, top: str, how: str) -> None:
    for name, text in sources.items():
        (place / name).write_text(text, encoding="utf-8")
    header = resources.files("ohmgate.sim.native").joinpath(HEADER).read_text(encoding="utf-8")
    (place / HEADER).write_text(header, encoding="utf-8")
    given = [name for name in sources if not name.endswith(".cpp")]
    _run(["verilator", *VERILATE, "--Mdir", ".", "--top-module", top, *given], place, "verilator")
    parts = sorted(path.name for path in place.glob(f"{PREFIX}*.cpp") if path.name != f"{PREFIX}.cpp")
    text = sources["chip.cpp"] + "".join(f'#include "{name}"\n' for name in parts)
    (place / "chip.cpp").write_text(text, encoding="utf-8")
    command = [compiler_path(), how, *COMMON, *_includes(verilator_include()), "-I.", "chip.cpp", str(library)]
    _run([*command, "-lpthread", "-o", PROGRAM], place, "c++")
    with whole(program) as part:
        shutil.copy(place / PROGRAM, part)


def _run(command: Sequence[str], place: Path, name: str) -> None:
    done = run_program(command, place, name=name)
    if done.returncode:
        errors = re.search(r"^.*error.*$", done.stdout, flags=re.IGNORECASE | re.MULTILINE)
        reason = errors[0].strip() if errors else f"it {ended(done.returncode, place)}"
        raise ProgramError(f"{name} could not build the native simulation: {reason}")


def verilator_include() -> Path:
    """Folder of Verilator's own C++. Within ``tool_path``."""
    root = verilator_root() or Path(
        run_program(["verilator", "--getenv", "VERILATOR_ROOT"], Path.cwd()).stdout.strip()
    )
    return root / "include"


def compiler_path() -> str:
    """The C++ compiler."""
    return os.environ.get("CXX") or shutil.which("c++") or "c++"


def _includes(include: Path) -> list[str]:
    return [f"-I{include}", f"-I{include / 'vltstd'}"]


def _instruction_set() -> str:
    """The processor's features, because the library is built for this processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")
