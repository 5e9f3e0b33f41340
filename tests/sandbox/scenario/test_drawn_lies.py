"""Lies drawn at random meet every field, and are the same for the same seed."""

import random

import pytest

from sandbox.scenario.drawn_lies import LIES, draw_lies, lies_in_words
from sandbox.scenario.lies import Lies


def test_every_field_that_can_lie_is_among_those_drawn() -> None:
    assert set(LIES) == set(Lies.model_fields)


@pytest.mark.parametrize("name", LIES)
def test_each_of_a_fields_lies_differs_from_the_truth(name: str) -> None:
    honest = Lies().model_dump()
    for value in LIES[name]:
        assert Lies.model_validate({name: value}).model_dump()[name] != honest[name]


def test_the_same_seed_draws_the_same_lies_and_another_one_others() -> None:
    assert draw_lies(random.Random(3)) == draw_lies(random.Random(3))
    assert len({lies_in_words(draw_lies(random.Random(seed))) for seed in range(20)}) > 15


def test_a_hamsa_that_never_lies_is_described_as_such() -> None:
    assert lies_in_words(draw_lies(random.Random(3), share=0.0)) == "none"
    assert set(draw_lies(random.Random(3), share=1.0)) == set(Lies.model_fields)
