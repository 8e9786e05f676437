"""``ohmgate board store``."""

from .. import runs
from ..console import Steps, say
from .connect import connect
from .options import Baud, Network, Port, SignedBy

EXAMPLES = """Examples: `ohmgate board store runs/demo`;

`ohmgate board store my.image --signed-by maker.pub.pem` stores no image but one that this key has signed.

Then: take the board's power away and give it back, and `ohmgate board run`."""


def command(source: Network, port: Port = None, baud: Baud = None, signed_by: SignedBy = None) -> None:
    """Store an image in the board's flash: the board starts with it from then on, without a host.

    What the board runs now stays. Ctrl-C leaves what the flash had before.
    """
    from ...boards.session import fitted
    from ...firmware.link_flash import find_flash, store
    from ...firmware.loader import compare_device
    from ...firmware.transactions import LoadError, run

    network = runs.read_network(source, signed_by)
    with connect(port, baud) as link:
        flash = find_flash(link)
        if flash is None:
            raise LoadError(
                f"the board {link.board!r} must keep a network in its flash, and its gateware has no such flash"
            )
        network = fitted(link, network)
        run(compare_device(network), link)
        with Steps() as steps, steps.step(f"Storing {network.design.name}") as step:
            stored = store(flash, network, step.update)
    say(
        f"{link.board}: {network.design.name}, fingerprint {network.design.fingerprint}, is in {stored}, of its flash"
    )
    say("the board starts with it when power comes back; until then it runs what it has")
