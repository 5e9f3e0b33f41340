"""What is wrong with a policy, in the words of its form; and the page that describes them."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from campaign.rules.policy.policy import Policy
from campaign.rules.policy.problems import policy_problems

REFERENCE = (Path(__file__).parents[4] / "docs" / "reference" / "rules.md").read_text(encoding="utf-8")


def problems(**fields: Any) -> list[str]:
    """What a policy with these fields is refused for."""
    with pytest.raises(ValidationError) as caught:
        Policy(**fields)
    return policy_problems(caught.value)
