"""``ohmgate board doctor``."""

from ...model.formats import DesignError
from ..console import say
from .connect import connect
from .options import Baud, Port

EXAMPLES = """Examples: `ohmgate board doctor` looks at tools and ports;

`ohmgate board doctor --port /dev/ttyUSB0` also talks to the board there."""


def command(port: Port = None, baud: Baud = None) -> None:
    """Find out what stands between you and a board: tools, rights, the port, the line."""
    from ...boards import doctor
    from ...boards.find import find
    from ...firmware.transactions import LoadError

    findings = list(doctor.tools())
    try:
        port = port or find()
        findings += doctor.port(port)
        if not findings[-1].trouble:
            with connect(port, baud) as link:
                findings += doctor.board(link)
    except LoadError as error:
        findings.append(doctor.Finding("board", trouble=str(error)))
    for found in findings:
        say(f"{found.what:<20} {found.trouble or found.note or 'ready'}")
    troubles = [found.what for found in findings if found.trouble]
    if troubles:
        raise DesignError(f"not ready: {', '.join(troubles)}")
