"""A step of `prefect deploy`: leaves a deployment's trigger as somebody switched it, and makes a new one off.

Prefect deletes a deployment's triggers at every deploy and creates them again, by what prefect.yaml says.
"""

from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound


async def as_it_is(deployment: str, name: str) -> dict[str, bool]:
    """Find out whether a trigger is switched on.

    Args:
        deployment: `<flow>/<deployment>`.
        name: The trigger's, as prefect.yaml has it: on the server it is an automation of that name.

    Returns:
        `enabled`: as it is on the server; false if the deployment or the trigger is not there yet.
    """
    async with get_client() as client:
        try:
            known = await client.read_deployment_by_name(deployment)
        except ObjectNotFound:
            return {"enabled": False}
        found = await client.read_resource_related_automations(f"prefect.deployment.{known.id}")
    return {"enabled": any(each.enabled for each in found if each.name == name)}
