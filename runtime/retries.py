"""When Prefect may try a task again: an allow-list, as its own rule would repeat what may have rung a phone."""

from collections.abc import Callable

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task


def only_after(*errors: type[Exception]) -> Callable[[Task[..., object], TaskRun, State[object]], bool]:
    """Try again after these errors alone: each says that nothing happened. Never after a timeout of a POST."""

    def condition(_task: Task[..., object], _run: TaskRun, state: State[object]) -> bool:
        return isinstance(state.data, errors)

    return condition
