"""A step of `prefect deploy`: leaves a schedule as somebody switched it, and makes a new one off.

A schedule with `active: false` in prefect.yaml would be switched off again by every deploy, silently, and one with
`active: true` would begin to call people as soon as it is deployed.
"""

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound


async def as_it_is(deployment: str, slug: str) -> dict[str, bool]:
    """Find out whether a schedule is switched on.

    Args:
        deployment: `<flow>/<deployment>`.
        slug: The schedule's.

    Returns:
        `active`: as it is on the server; false if the deployment or the schedule is not there yet.
    """
    async with get_client() as client:
        try:
            known = await client.read_deployment_by_name(deployment)
        except ObjectNotFound:
            return {"active": False}
    return {"active": any(schedule.active for schedule in known.schedules if schedule.slug == slug)}
