"""Who was shown: the same id and number are in it, anybody else is not, and it comes back as it was kept."""

from campaign.intake.people_shown import PeopleShown
from tests.campaign.campaign_world import people


def shown(count: int, *, start: int = 0, campaign: str = "c") -> PeopleShown:
    made = PeopleShown(campaign)
    made.add(people(count, start=start))
    return made


def test_whoever_was_shown_is_in_it_and_nobody_else() -> None:
    kept = PeopleShown("c", shown(100).as_bytes())
    assert len(kept) == 100
    assert all(person in kept for person in people(100))
    assert not any(person in kept for person in people(100, start=100))


def test_another_number_or_another_id_is_somebody_else() -> None:
    kept = shown(2)
    first, second = people(2)
    assert first.model_copy(update={"phone": second.phone}) not in kept
    assert first.model_copy(update={"id": second.id}) not in kept
    assert first.model_copy(update={"row": 900, "params": {}}) in kept


def test_the_order_and_the_pages_in_which_they_came_do_not_matter() -> None:
    backwards = PeopleShown("c")
    for person in reversed(people(50)):
        backwards.add([person, person])
    assert backwards.as_bytes() == shown(50).as_bytes()
    assert backwards.fingerprint == shown(50).fingerprint != shown(51).fingerprint
    assert len(shown(50).as_bytes()) == 400


def test_one_campaign_says_nothing_of_another() -> None:
    assert not any(person in PeopleShown("d", shown(20).as_bytes()) for person in people(20))


def test_who_came_and_who_went_is_counted() -> None:
    before, now = shown(10), shown(12, start=3)
    assert now.missing_from(before) == 5
    assert before.missing_from(now) == 3
    assert now.missing_from(now) == 0
    assert shown(3).missing_from(PeopleShown("c")) == 3
