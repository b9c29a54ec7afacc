"""``python -m simworld.cli``: the program without its console entry point."""

import sys

from simworld.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
