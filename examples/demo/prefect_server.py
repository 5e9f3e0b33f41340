"""Prefect's server on a socket that it was handed: `python -m examples.demo.tied examples.demo.prefect_server 7`.

The demo keeps the port from the moment it chose it. If the server had to bind it by itself, another program could be
faster, and the demo would save its blocks on a server that somebody works with.
"""

import socket
import sys

import uvicorn


def main(descriptor: int) -> None:
    """Serve Prefect's API, and its UI if the settings say so, until asked to end.

    Args:
        descriptor: Of a TCP socket that is bound, but does not listen yet.
    """
    # What `prefect server start` runs, without the program around it that would have to be ended as well.
    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        lifespan="on",
        log_level="warning",
        # A browser that looks at the UI keeps connections open.
        timeout_graceful_shutdown=2,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=descriptor)])


if __name__ == "__main__":
    main(int(sys.argv[1]))
