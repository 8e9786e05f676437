"""Commands of the pages, in the order in which a reader types them: each parses, and what it reads is there by then.

A file or run is there if it comes with the project, a block of the page has it as its title, or a command further up on
the page makes it; ``make demo`` makes runs/demo. Words in capitals (IMAGE, FOLDER), my.toml and my.npz stand for the
reader's own.
"""

import importlib.util
import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from ohmgate.cli.main import app
from ohmgate.model.design import presets
from tests.test_docs import PAGES, blocks, page_name

ROOT = Path(__file__).parent.parent
COMMANDS = typer.main.get_command(app).commands
LINE = re.compile(r"^(?: {4})?((?:ohmgate|python|make|cp) [^#\n]*)|`((?:ohmgate|python|make) [^`\n]*)`", re.MULTILINE)
MAKES = {
    "out",
    "json",
    "spice",
    "report",
    "differences",
    "values",
    "coverage",
    "link",
    "port",
    "record",
    "page",
}  #: options for what is written
OWN = re.compile(r"\b[A-Z]{2,}\b|^my\.(toml|npz)$")  #: stands for the reader's own
READ_IMAGES = {
    "simulate",
    "verify",
    "montecarlo",
    "inspect",
    "array",
    "diff",
    "sign",
}  #: commands that want a run's image


class Reader:
    """Follows a page and knows what is there."""

    def __init__(self, text: str):
        self.text = text.replace("\\\n", " ")
        self.files = {title for language in ("toml", "c", "python") for title, _ in blocks(text, language) if title}
        for title, content in blocks(text, "python"):
            if title:  # a script of the page, and what it says that it writes
                self.files |= set(re.findall(r'"([\w/]+\.(?:npz|image))"', content))
        self.packed: set[str] = set()

    def read(self) -> None:
        """Follow the whole page."""
        for match in LINE.finditer(self.text):
            self.follow(match[1] or match[2], whole=match[1] is not None)

    def there(self, path: str) -> bool:
        """Is it there, or the reader's own?"""
        if OWN.search(path) or path in self.files or str(Path(path).parent) in self.packed:
            return True
        return not path.startswith(("runs/", "build/")) and (ROOT / path).exists()

    def follow(self, line: str, whole: bool) -> None:
        """Check a command; ``whole`` ones have all their arguments."""
        program, *words = shlex.split(line.partition(" | ")[0].replace("\\|", "|"))
        match program:
            case "ohmgate":
                self.ohmgate(*words, whole=whole)
            case "make":
                targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
                assert words[0] in targets
                if words[0] == "demo":
                    self.files.add("runs/demo")
                    self.packed.add("runs/demo")
            case "cp":
                assert self.there(words[0])
                self.files.add(words[1])
            case "python" if words[0] == "-m":
                assert importlib.util.find_spec(words[1])
            case "python":
                assert self.there(words[0])
                text = (ROOT / words[0]).read_text() if (ROOT / words[0]).exists() else ""
                for before, word in pairwise(words):
                    if word.startswith("--"):
                        assert f'"{word}"' in text, f"{words[0]} has no {word}"
                    elif "/" in word and before != "--json":
                        assert self.there(word), f"nobody has made {word}"

    def ohmgate(self, name: str, *words: str, whole: bool) -> None:
        command = COMMANDS[name]
        if isinstance(command, TyperGroup):
            if not words:
                return
            name, *words = words
            command = command.commands[name]
        options = command.make_context(name, list(words), resilient_parsing=not whole).params
        read = {
            k: str(v)
            for k, v in options.items()
            if isinstance(v, str | Path) and k not in MAKES | {"data", "executor"}
        }
        for value in read.values():
            if "/" in value or value.endswith((".toml", ".image", ".npz", ".safetensors")):
                assert self.there(value), f"nobody has made {value}"
        self.files |= {
            str(v) for k, v in options.items() if isinstance(v, str | Path) and k in MAKES and name != "sweep"
        }
        source = next(iter(read.values()), "")
        if name == "sweep" and options["keep"]:
            self.packed.add("results/networks")
        elif name == "pack":
            self.packed.add(source)
        elif name in READ_IMAGES and source in self.files and source.startswith("runs/"):
            assert source in self.packed or OWN.search(source), f"nobody has packed {source}"


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "command-line.md"], ids=page_name)
def test_what_a_command_of_a_page_reads_is_there(page, monkeypatch):
    monkeypatch.delenv("OHMGATE_DATA", raising=False)
    Reader(page.read_text(encoding="utf-8")).read()


@pytest.mark.parametrize(
    "page, what",
    [
        ("    ohmgate simulate runs/new\n", "nobody has made runs/new"),
        ("    ohmgate train vowels --out runs/new\n    ohmgate simulate runs/new\n", "nobody has packed runs/new"),
        ("    ohmgate synth other.toml\n", "nobody has made other.toml"),
        ("`ohmgate inspect runs/demo/vowels.image`\n", "nobody has made runs/demo/vowels.image"),
        ("    python benchmarks/faults.py --no-such-option\n", "benchmarks/faults.py has no --no-such-option"),
        ("    ohmgate synth --targget ecp5 vowels\n", "--targget"),
        ("    ohmgate board load runs/new --port /dev/ttyUSB0\n", "nobody has made runs/new"),
    ],
)
def test_a_page_that_forgets_something_is_found(page, what):
    with pytest.raises(Exception, match=what):
        Reader(page).read()


def test_presets_are_no_files():
    assert not any((ROOT / name).exists() for name in presets()), "a preset's name on a page would mean a file"
