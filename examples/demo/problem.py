"""What keeps the demo from going on, as its user is told of it."""


class DemoProblem(Exception):
    """The demo cannot go on. `str()` says in one sentence or two what is wrong and what to do."""
