"""Automations as files: they name deployments and blocks, where Prefect wants ids that differ from server to server."""

from pathlib import Path
from typing import Any

from prefect.client.orchestration import PrefectClient, get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.exceptions import ObjectNotFound
from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

FOLDER = Path(__file__).parent


class AutomationError(Exception):
    """An automation could not be put on the server. `str()` says which, and what to do."""


def read(file: Path) -> dict[str, Any]:
    """Read the automation of a file.

    Raises:
        AutomationError: The file is not there, or not YAML.
    """
    try:
        content: dict[str, Any] = YAML(typ="safe").load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(each.stem for each in FOLDER.glob("*.yaml")))
        raise AutomationError(f"There is no automation {file.stem}; there are {known}.") from None
    except YAMLError as error:
        raise AutomationError(f"{file.name} is not YAML: {error}") from None
    return content


async def put(content: dict[str, Any]) -> str:
    """Make an automation, or bring the one of the same name up to date.

    Args:
        content: What a file says; an action names its `deployment` or its `block`.

    Returns:
        A sentence that says what was done.

    Raises:
        AutomationError: It is wrong, or a deployment or block that it names is not there.
    """
    name = content.get("name")
    async with get_client() as client:
        actions = [await _resolved(client, action, f"The automation `{name}`") for action in content["actions"]]
        try:
            automation = AutomationCore.model_validate({**content, "actions": actions})
        except ValidationError as error:
            raise AutomationError(f"`{name}` is not a valid automation: {error}") from None
        found = await client.read_automations_by_name(automation.name)
        if not found:
            await client.create_automation(automation)
            return f"Created the automation `{name}`."
        automation.enabled = found[0].enabled
        await client.update_automation(found[0].id, automation)
        return f"Updated the automation `{name}`."


async def _resolved(client: PrefectClient, action: dict[str, Any], who: str) -> dict[str, Any]:
    """An action with ids in the place of names."""
    action = dict(action)
    if name := action.pop("deployment", None):
        try:
            action["deployment_id"] = (await client.read_deployment_by_name(name)).id
        except ObjectNotFound:
            raise AutomationError(
                f"{who} runs the deployment {name}, which is not there: deploy it, or name another in the file."
            ) from None
    if slug := action.pop("block", None):
        kind, _, block = slug.partition("/")
        try:
            action["block_document_id"] = (await client.read_block_document_by_name(block, kind)).id
        except ObjectNotFound:
            raise AutomationError(
                f"{who} uses the block {slug}, which is not there: save a {kind} block with the name `{block}` (Blocks "
                "in Prefect's UI), or name another in the file."
            ) from None
    return action
