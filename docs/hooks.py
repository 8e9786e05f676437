"""Hook of mkdocs: pages from outside docs/, notebooks as pages, and the package without links for the API pages.

In the site the repository's other pages lie beside those of docs/, as if docs/ were the root. So links work in both.
"""

import json
import posixpath
import re
import shutil
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parent.parent
OUTSIDE = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "train/data/README.md",
    "results/*.md",
    "results/*.png",
    "results/*.json",
)
LINK = re.compile(r"(\]\()([^)#\s:]+)((?:#[^)]*)?\))")
FIELD = re.compile(r'^( +)(\w+: .*?)  #: ([^"\n]*)$', re.MULTILINE)
DOCSTRING = re.compile(r'^ *"""[^"\n].*?"""$', re.MULTILINE | re.DOTALL)
PRODUCT = re.compile(r"(?<=\w)\*(?=\w)")  #: in a docstring, where Markdown would see emphasis
ROLE = re.compile(r":(?:class|func|meth|mod|attr|data):(?=<code)")


def on_config(config):
    """Griffe follows no links and reads no ``#:``, so it gets a copy of the package with folders and docstrings."""
    package = ROOT / "build/api/ohmgate"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "ohmgate", package, ignore=shutil.ignore_patterns("__pycache__"))
    for path in package.rglob("*.py"):
        text = FIELD.sub(r'\1\2\n\1"""\3"""', path.read_text(encoding="utf-8"))
        text = DOCSTRING.sub(lambda found: PRODUCT.sub("\N{ASTERISK OPERATOR}", found[0]), text)
        path.write_text(text, encoding="utf-8")


def on_files(files, config):
    """Add the pages from outside, and a page for each notebook in its place."""
    for path in sorted(path for pattern in OUTSIDE for path in ROOT.glob(pattern)):
        name = path.relative_to(ROOT).as_posix()
        files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    for file in [file for file in files if file.src_uri.endswith(".ipynb")]:
        files.remove(file)
        text = page_of(json.loads(Path(file.abs_src_path).read_text(encoding="utf-8")))
        files.append(File.generated(config, file.src_uri.replace(".ipynb", ".md"), content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Links between docs/ and the rest of the repository, and links to notebooks."""
    here = page.file.src_uri
    inside = (ROOT / "docs" / here).exists() or here.startswith("notebooks/")
    folder = posixpath.dirname(posixpath.join("docs", here) if inside else here)

    def link(found):
        target = posixpath.normpath(posixpath.join(folder, found[2]))
        in_site = target.removeprefix("docs/").replace(".ipynb", ".md")
        if files.get_file_from_path(in_site) is None:
            return found[0]
        return found[1] + posixpath.relpath(in_site, posixpath.dirname(here) or ".") + found[3]

    return LINK.sub(link, markdown)


def on_page_content(html, page, config, files):
    """Docstrings name objects by Sphinx's roles."""
    return ROLE.sub("", html)


def page_of(notebook: dict) -> str:
    """A notebook's cells and kept outputs as Markdown."""
    parts = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        parts += [shown for output in cell.get("outputs", ()) if (shown := shown_output(output))]
    return "\n\n".join(parts) + "\n"


def shown_output(output: dict) -> str:
    """Text as a block, a plot as an image; what else a cell printed is left out."""
    data = output.get("data", {})
    if "image/png" in data:
        return f"![Plot](data:image/png;base64,{''.join(data['image/png']).strip()})"
    text = "".join(output.get("text", data.get("text/plain", ""))).rstrip()
    return f"```text\n{text}\n```" if text and output.get("name") != "stderr" else ""
