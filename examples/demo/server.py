"""The demo's Prefect server: this module as a program of its own, which a pipe on its standard input ties to the demo.

When the pipe ends, the demo has ended, however that came about, and so does the server.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator

import uvicorn

from examples.demo.place import PROJECT, DemoProblem, Place, address_of, shown

START_SECONDS = 120
GRACE_SECONDS = 5.0


@contextlib.contextmanager
def prefect_server(
    place: Place, port: socket.socket, lock: int, *, ui: bool = False, meanwhile: Callable[[], object] = int
) -> Iterator[Callable[[], None]]:
    """Run the server. Yields, when it answers, what raises `DemoProblem` once it has ended."""
    number, log = port.getsockname()[1], place.folder / "prefect-server.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "examples.demo.server", str(port.fileno())],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=PROJECT,
            env=place.environment(number, ui=ui),
            pass_fds=(lock, port.fileno()),
            start_new_session=True,  # Ctrl-C is for the demo alone, which then stops it in order
        )
    port.close()

    def check() -> None:
        if process.poll() is not None:
            last = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
            raise DemoProblem(f"Prefect's server ended too early. The last line of {shown(log)} says: {last}")

    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with process:
        try:
            meanwhile()
            for _ in range(START_SECONDS * 10):
                check()
                with contextlib.suppress(OSError), direct.open(f"{address_of(number)}/api/health", timeout=10):
                    break
                time.sleep(0.1)
            else:
                raise DemoProblem(f"Prefect's server was not ready within {START_SECONDS} seconds.")
            yield check
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=GRACE_SECONDS)
            process.kill()


def keep_port(wanted: int | None, preferred: int | None, *, what: str) -> socket.socket:
    """Find a port, and keep it: the one that somebody asked for, or else the preferred one, or 4200, or any.

    If the server had to bind it, another program could be faster, and the demo would save its blocks on that one's.
    """
    for port in [wanted] if wanted else [preferred or 4200, 4200, 0]:
        with socket.socket() as caller:
            caller.settimeout(1)
            if port and caller.connect_ex(("127.0.0.1", port)) == 0:
                continue
        # asyncio turns Nagle's algorithm off only where the protocol is named.
        kept = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            kept.bind(("127.0.0.1", port))
            return kept
        kept.close()
    raise DemoProblem(f"Port {wanted} is taken: name another one, as in `{what} ARGS='--port 4300'`.")


def _end_with_the_demo() -> None:
    while os.read(0, 4096):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_demo, daemon=True).start()
    # What `prefect server start` runs, without the program around it that would have to be ended as well.
    app = "prefect.server.api.server:create_app"
    # A browser that looks at the UI keeps connections open.
    config = uvicorn.Config(app, factory=True, lifespan="on", log_level="warning", timeout_graceful_shutdown=2)
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
