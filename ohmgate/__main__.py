"""``python -m ohmgate``: the command line."""

from .cli.entry import main

main()
