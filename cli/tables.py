"""Tables of the report on the terminal."""

import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..report.cost import Table


def text_of(table: "Table") -> str:
    """A Markdown table; on a terminal no wider than it."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable

    shown = RichTable(box=box.MARKDOWN, pad_edge=True)
    for number, name in enumerate(table.header):
        shown.add_column(name, justify="left" if number < table.text else "right")
    for row in table.rows:
        shown.add_row(*row)
    console = Console(file=io.StringIO(), width=None if sys.stdout.isatty() else 1000, markup=False, highlight=False)
    with console.capture() as written:
        console.print(shown)
    lines = [line.rstrip() for line in written.get().splitlines() if line.strip()]
    return "\n".join([f"## {table.title}", "", *lines, "", *([table.below, ""] if table.below else [])])
