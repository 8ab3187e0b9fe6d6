"""The entry point. It handles signals before it imports anything that takes time."""

from __future__ import annotations

import atexit
import signal
import sys
from importlib import import_module

from onnx_lippa.cli.signals import SignalHandler, ignore_endings


def main() -> None:
    """Runs the command line and exits."""
    if hasattr(signal, "SIGCHLD"):
        # Some callers ignore it, and hand that down: then no child could be waited for.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with SignalHandler() as signals:
        code = import_module("onnx_lippa.cli.app").run(sys.argv[1:], signals)
    atexit.register(ignore_endings)
    sys.exit(code)


if __name__ == "__main__":
    main()
