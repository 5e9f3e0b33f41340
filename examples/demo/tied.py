"""Run a module as a program that ends when its starter does: `python -m examples.demo.tied MODULE ARGUMENTS…`.

Its standard input is a pipe from the starter, who never writes to it. When the pipe ends, the starter has ended,
however that came about, and this program asks itself to end and then does.
"""

import os
import runpy
import signal
import sys
import threading
import time

GRACE_SECONDS = 5.0
"""How long a program may take to put things in order."""


def _end_with_the_starter() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_starter, name="tie", daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
