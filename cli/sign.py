"""``ohmgate sign``."""

from pathlib import Path
from typing import Annotated

import typer

from ..firmware import image, signing
from ..model.prerequisites import require_place
from . import runs
from .console import say

EXAMPLES = """Examples: `ohmgate sign runs/demo --key maker.pem` signs the image of a run;

`ohmgate sign my.image --key maker.pem --out signed.image` leaves `my.image` as it is;

`openssl pkey -in locked.pem | ohmgate sign my.image --key /dev/stdin` has openssl ask for the passphrase.

Before: `ohmgate keygen maker.pem`. Then: `ohmgate board load signed.image --signed-by maker.pub.pem`."""


def command(
    source: Annotated[Path, typer.Argument(metavar="IMAGE|RUN", help="A programming image, or a run folder.")],
    key: Annotated[Path, typer.Option(help="Ed25519 private key in PEM.")],
    out: Annotated[Path | None, typer.Option(help="Image to write.", show_default="the image itself")] = None,
) -> None:
    """Sign a programming image with an Ed25519 key. Any signature that it has is replaced."""
    from ..firmware.keys import read_private

    file = runs.image_file(source)
    out = out or file
    require_place(out)
    private = read_private(key)
    data = image.read_bytes(file)
    with image.named(file):
        image.unpack(data)
        signed = signing.sign(data, private)
    image.write_bytes(out, signed)
    say(f"{out}: {len(signed)} bytes, signed by key {signing.key_id(private.public_key().public_bytes_raw())}")
