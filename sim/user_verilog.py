"""Somebody's own Verilog in place of the generated chip: are its ports the chip's, and where are its macros?"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyslang

from ..hdl.array_macro import macro_ports
from ..hdl.chip import chip_ports
from ..model.design import Design
from ..model.formats import DesignError
from .job import MacroPaths

ast, syntax = pyslang.ast, pyslang.syntax
DIRECTIONS = {ast.ArgumentDirection.In: "input", ast.ArgumentDirection.Out: "output"}


@dataclass(frozen=True)
class UserVerilog:
    """Files that take the generated chip's place: RTL or a netlist, and all that it is made of but the macros."""

    files: tuple[Path, ...]
    trace: bool  #: has it trace ports?
    macros: MacroPaths


def read_verilog(files: Sequence[Path], design: Design) -> UserVerilog:
    """Somebody's Verilog for ``design``; its top is a module of the design's name.

    Raises :class:`DesignError` where a file cannot be read or parsed, where the top's ports are not those of the
    generated chip (with or without trace ports), where the macros cannot be told apart, or where one lacks a port.
    """
    top = _elaborate(files, design)
    for port in top.body.portList:
        if port.kind != ast.SymbolKind.Port:
            raise DesignError(
                f"module {design.name} must have the ports of the generated chip, but {port.name} is none"
            )
    found = {port.name: (_direction(port), int(port.type.bitWidth)) for port in top.body.portList}
    trace = any(name.startswith("trace_") for name in found)
    expected = {port.name: (port.direction, port.width) for port in chip_ports(design, trace)}
    wrong = [f"lacks {name} ({_words(expected[name])})" for name in expected if name not in found]
    wrong += [f"also has {name}" for name in found if name not in expected]
    wrong += [
        f"has {name} as {_words(port)}, not {_words(expected[name])}"
        for name, port in found.items()
        if expected.get(name, port) != port
    ]
    if wrong:
        raise DesignError(f"module {design.name} must have the ports of the generated chip, but {', '.join(wrong)}")
    macros = _macros(top, design)
    return UserVerilog(tuple(Path(file).resolve() for file in files), trace, macros)


def _elaborate(files: Sequence[Path], design: Design) -> Any:
    """The instance of the top level."""
    for file in files:
        with open(file, "rb"):  # an OSError that names it
            pass
    names = [str(Path(file).resolve()) for file in files]
    tree = syntax.SyntaxTree.fromFiles(names, pyslang.SourceManager())  # the default one keeps old texts
    errors = [diagnostic for diagnostic in tree.diagnostics if diagnostic.isError()]
    if errors:
        first = pyslang.DiagnosticEngine.reportAll(tree.sourceManager, errors[:1]).strip().splitlines()[0]
        file, where = first.split(":", 1)  # the file's path is relative
        raise DesignError(f"the Verilog cannot be read: {Path(file).resolve()}:{where}")
    options = ast.CompilationOptions()
    options.flags = ast.CompilationFlags.IgnoreUnknownModules
    options.topModules = {design.name}
    compilation = ast.Compilation(pyslang.Bag([options]))
    compilation.addSyntaxTree(tree)
    kind = ast.DefinitionKind.Module
    modules = [definition.name for definition in compilation.getDefinitions() if definition.definitionKind == kind]
    for layer in design.layers:
        if layer.macro_name in modules:
            raise DesignError(
                f"the Verilog must not have the macro {layer.macro_name}: the array model answers for it"
            )
    tops = compilation.getRoot().topInstances
    if design.name not in modules or not tops:
        raise DesignError(
            f"the Verilog must have a module {design.name}, but has {', '.join(sorted(modules)) or 'none'}"
        )
    return tops[0]


def _direction(port: Any) -> str:
    return DIRECTIONS.get(port.direction, "inout")


def _words(port: tuple[str, int]) -> str:
    return f"{port[0]} of {port[1]} bit{'s' * (port[1] > 1)}"


def _macros(top: Any, design: Design) -> MacroPaths:
    """Each layer's macro, by the module's name; where layers share it, by ``array_K`` in the instance's path."""
    instances: dict[str, MacroPaths] = {}
    connected: dict[tuple[str, ...], list[str]] = {}

    def visit(symbol: Any) -> None:
        if symbol.kind == ast.SymbolKind.UninstantiatedDef:
            names = re.findall(r"\\(\S+)|([^.\s\\]+)", symbol.hierarchicalPath)
            path = tuple(a or b for a, b in names)[1:]
            instances.setdefault(symbol.definitionName, []).append(path)
            connected[path] = list(symbol.portNames)

    top.visit(visit)
    found: MacroPaths = []
    for index, layer in enumerate(design.layers):
        paths = instances.get(layer.macro_name, [])
        if sum(other.macro_name == layer.macro_name for other in design.layers) > 1:
            mark = re.compile(rf"(?<![A-Za-z0-9])array_{index}(?![0-9])")
            paths = [path for path in paths if any(mark.search(name) for name in path)]
            where = f" with array_{index} in its path"
        else:
            where = ""
        if len(paths) != 1:
            raise DesignError(
                f"layer {index} must have one instance of {layer.macro_name}{where}, but there are {len(paths)}"
            )
        lacking = [port.name for port in macro_ports(layer) if port.name not in connected[paths[0]]]
        if lacking:
            raise DesignError(
                f"layer {index}: the instance of {layer.macro_name} must name all ports of the generated macro, "
                f"but lacks {', '.join(lacking)}"
            )
        found.append(paths[0])
    return found
