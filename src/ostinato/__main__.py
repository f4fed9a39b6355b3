"""`python -m ostinato` is the same as `ostinato`."""

import sys

from ostinato.agent.cli import main

if __name__ == "__main__":
    sys.exit(main())
