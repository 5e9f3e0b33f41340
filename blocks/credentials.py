"""The way into Hamsa, saved in Prefect: a key, where the account lives, and how long to wait for an answer."""

from typing import Annotated, Any, ClassVar, Self

from prefect.blocks.abstract import CredentialsBlock
from pydantic import Field, HttpUrl, PrivateAttr, SecretStr

from blocks.checked import DOCUMENTATION, CheckedBlock
from campaign.form_inputs import SingleInput
from hamsa import HamsaAccess, HamsaClient
from hamsa.connection import MAX_IDLE

LINES_PER_CONNECTION = 50
"""So many are served by one connection that is kept, with two or three requests for a call of 90 seconds, of half a
second each."""

_FIELDS = HamsaAccess.model_fields


class HamsaCredentials(CheckedBlock, CredentialsBlock, HamsaAccess):
    """Lets flows into a Hamsa project: its secret API key, where the account lives, and how long to wait for answers.

    Example:
        Load the key and see which project it belongs to:
        ```python
        import asyncio

        from blocks import HamsaCredentials

        credentials = HamsaCredentials.load("BLOCK_NAME")


        async def project_id() -> str:
            async with credentials.get_client() as hamsa:
                return (await hamsa.get_project()).id


        print(asyncio.run(project_id()))
        ```
    """

    _block_type_name: ClassVar[str | None] = "Hamsa Credentials"
    _block_type_slug: ClassVar[str | None] = "hamsa-credentials"
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(DOCUMENTATION)

    api_key: SecretStr = Field(title=_FIELDS["api_key"].title, description=_FIELDS["api_key"].description)
    base_url: Annotated[Annotated[str, Field(max_length=2048)] | None, SingleInput()] = Field(
        default=None, title=_FIELDS["base_url"].title, description=_FIELDS["base_url"].description
    )

    # Of a type that only hamsa/ may name: httpx.AsyncBaseTransport.
    _transport: Any = PrivateAttr(default=None)

    def use_transport(self, transport: Any) -> Self:
        """Let every client made from now on send its requests over `transport`: for tests without a network.

        Args:
            transport: What `HamsaClient` takes; None for the network again. It is not saved with the block.
        """
        self._transport = transport
        return self

    def get_client(self, *, lines: int = 0) -> HamsaClient:
        """Make a client. It is the caller's to close: `async with credentials.get_client() as hamsa`.

        Args:
            lines: How many calls are to be in progress at once; very many of them need more connections.
        """
        return HamsaClient.from_settings(self, self._transport, max_idle=max(MAX_IDLE, lines // LINES_PER_CONNECTION))
