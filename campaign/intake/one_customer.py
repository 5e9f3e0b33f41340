"""One customer, as a person types them into a form: a number, or an id."""

from campaign.intake.cells import id_of
from campaign.intake.numbers import ALL_KINDS, NumberProblem, parse_number
from campaign.intake.recipients import SourceError


def id_or_number(customer: str, region: str = "") -> tuple[str | None, str | None]:
    """Read who is meant: what begins with a plus sign, or comes with a region, is a number, anything else an id.

    Returns:
        The number (E.164) and the id; one of them is None.

    Raises:
        SourceError: It is meant as a number, and is none.
    """
    text = customer.strip()
    if not region and not text.startswith("+"):
        return None, id_of(text)
    number = parse_number(text, region or None, kinds=ALL_KINDS)
    if isinstance(number, NumberProblem):
        raise SourceError(f"The customer is no phone number ({number.reason}): write it as in +12125550123, or an id.")
    return number.e164, None
