"""``ohmgate keygen``."""

from pathlib import Path
from typing import Annotated

import typer

from .console import say

EXAMPLES = """Example: `ohmgate keygen maker.pem` writes `maker.pem`, to keep, and `maker.pub.pem`, to give away.

Then: `ohmgate sign`."""


def command(
    key: Annotated[Path, typer.Argument(metavar="KEY.pem", help="Private key to write. It must not be there yet.")],
) -> None:
    """Make an Ed25519 key that signs images: two PEM files, which openssl reads, too."""
    from ..firmware.keys import make
    from ..firmware.signing import key_id

    public = key.with_suffix(".pub.pem")
    shown = make(key, public)
    say(f"key {key_id(shown)}")
    say(f"{key}: the private key, without a passphrase; keep it")
    say(f"{public}: the public key, for --signed-by")
    say(f"in C: {{{', '.join(f'0x{byte:02x}' for byte in shown)}}}")
