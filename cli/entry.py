"""The script ``ohmgate``: exit statuses hold before a module of the house can be loaded, too."""

import sys


def main() -> None:
    """Run the command line."""
    try:
        from .main import main as run
    except ImportError as error:
        print(f"ohmgate: error: a library that ohmgate needs cannot be loaded: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("ohmgate: interrupted", file=sys.stderr)
        sys.exit(130)
    run()
