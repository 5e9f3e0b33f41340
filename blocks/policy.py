"""The calling policy, saved in Prefect. `campaign.rules` decides what it means; here it becomes a block."""

from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import HttpUrl, ValidationError

from blocks.checked import DOCUMENTATION, CheckedBlock
from campaign.rules import Policy, policy_problems


class CallingPolicy(CheckedBlock, Block, Policy):
    """Says how a campaign may call: at which hours, how often, on how many lines, and when to stop.

    A field that is left alone means what the preset says. Guardrails you configure; your counsel decides.

    Example:
        Load a policy and see what it comes to:
        ```python
        from blocks import CallingPolicy

        policy = CallingPolicy.load("BLOCK_NAME")
        print(policy.resolved().max_attempts)
        ```
    """

    _block_type_name: ClassVar[str | None] = "Calling Policy"
    _block_type_slug: ClassVar[str | None] = "calling-policy"
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(DOCUMENTATION)

    @classmethod
    def problems(cls, error: ValidationError) -> list[str]:
        """What is wrong, one sentence for each value, with the value: nothing in a policy is secret."""
        return policy_problems(error)
