"""What Prefect imports on its own start, so that it knows this project's blocks: the entry point `hamsa_calls`.

The only name that an installation claims. The project is an application: its folders (`flows`, `tasks`, `blocks`, …)
have generic names, so they are found beside this file, where the repository is, and are no part of a wheel. Installed
beside other people's code this module does nothing.
"""

from pathlib import Path

if (Path(__file__).parent / "prefect.yaml").exists():
    import blocks  # noqa: F401 - to import them is to register them
