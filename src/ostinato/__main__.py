"""The `ostinato` command, and `python -m ostinato`: it can be interrupted while it still loads the rest."""

import os
import signal
import sys


def main() -> int:
    """Run the command line and return its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: os._exit(130))  # ExitCode.INTERRUPTED, which is not loaded yet
    from ostinato.agent.cli import main

    return main()


if __name__ == "__main__":
    sys.exit(main())
