"""Every block keeps Prefect's own standards, and its form asks for what a person can answer."""

from typing import Any

import pytest
from prefect.blocks.core import Block
from prefect.client.schemas import BlockType
from prefect.testing.standard_test_suites.blocks import BlockStandardTestSuite
from pydantic import ValidationError

import blocks

BLOCKS = [kind for name in blocks.__all__ if issubclass(kind := getattr(blocks, name), Block)]


@pytest.mark.parametrize("block", BLOCKS)
class TestEveryBlock(BlockStandardTestSuite):
    @pytest.fixture
    def block(self) -> type[Block]:
        raise AssertionError("comes from the parameters")

    def test_has_a_valid_image(self, block: type[Block]) -> None:
        # A logo has to be fetched over the network, from a host of ours, and there is none; an image in the URL itself
        # is refused by Prefect's client. So there is no logo, and the page shows Prefect's own picture.
        assert block._to_block_type().logo_url is None  # noqa: SLF001 - what Prefect registers
        with pytest.raises(ValidationError, match="URL scheme should be 'http' or 'https'"):
            BlockType(name="x", slug="x", logo_url="data:image/png;base64,iVBORw0KGgo=")

    def test_every_field_has_a_title_and_one_input(self, block: type[Block]) -> None:
        properties = block.model_json_schema()["properties"]
        for name, schema in properties.items():
            assert schema["title"], name
            assert "anyOf" not in schema, f"{name} would be shown as a choice between a value and nothing"

    def test_its_first_sentence_says_what_it_is_for(self, block: type[Block]) -> None:
        description = block.get_description()
        assert description is not None
        assert description.partition("\n")[0].endswith((".", ":"))

    def test_its_example_is_python(self, block: type[Block]) -> None:
        example = block.get_code_example()
        assert example is not None
        compile(example.split("```python\n")[1].split("```")[0], block.__name__, "exec")


def test_the_slugs_are_those_that_deployments_name() -> None:
    slugs: dict[str, Any] = {kind.__name__: kind.get_block_type_slug() for kind in BLOCKS}
    assert slugs == {
        "HamsaCredentials": "hamsa-credentials",
        "VoiceAgent": "hamsa-voice-agent",
        "CallingPolicy": "calling-policy",
        "CallLedger": "call-ledger",
    }


def test_whoever_looks_up_a_block_by_its_slug_finds_it() -> None:
    for kind in BLOCKS:
        assert Block.get_block_class_from_key(kind.get_block_type_slug()) is kind
