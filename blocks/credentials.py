"""The way into Hamsa, saved in Prefect: a key, where the account lives, and how long to wait for an answer."""

from typing import Annotated, Any, ClassVar, Literal, Self

from prefect.blocks.abstract import CredentialsBlock
from pydantic import Field, HttpUrl, PrivateAttr, SecretStr, field_validator

from blocks.checked import DOCUMENTATION, CheckedBlock
from campaign.form_inputs import SingleInput
from hamsa import HamsaClient, Timeouts
from hamsa.settings import (
    REGION_URLS,
    ConnectSeconds,
    PoolSeconds,
    ReadSeconds,
    WriteSeconds,
    clean_api_key,
    clean_base_url,
)


class HamsaCredentials(CheckedBlock, CredentialsBlock):
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

    api_key: SecretStr = Field(
        title="API key",
        description="Secret key of the Hamsa project, with or without the word Token before it; not a public pk_ key.",
    )
    region: Literal["eu", "uae"] = Field(
        default="eu", title="Region", description="The region in which the Hamsa account lives."
    )
    base_url: Annotated[Annotated[str, Field(max_length=2048)] | None, SingleInput()] = Field(
        default=None,
        title="Base URL",
        description="Address of the API, where it is not the region's: https, or plain http to this machine only.",
    )
    connect_timeout_seconds: ConnectSeconds = Field(default=5.0, title="Time to connect (seconds)")
    read_timeout_seconds: ReadSeconds = Field(default=30.0, title="Time to answer (seconds)")
    write_timeout_seconds: WriteSeconds = Field(default=10.0, title="Time to send (seconds)")
    pool_timeout_seconds: PoolSeconds = Field(default=10.0, title="Time to get a connection (seconds)")

    # Of a type that only hamsa/ may name: httpx.AsyncBaseTransport.
    _transport: Any = PrivateAttr(default=None)

    @field_validator("api_key")
    @classmethod
    def _check_api_key(cls, pasted: SecretStr) -> SecretStr:
        return SecretStr(clean_api_key(pasted))

    @field_validator("base_url")
    @classmethod
    def _check_base_url(cls, url: str | None) -> str | None:
        return None if url is None else clean_base_url(url)

    @property
    def resolved_base_url(self) -> str:
        """Where requests go: the base URL, or else the region's."""
        return self.base_url or REGION_URLS[self.region]

    def use_transport(self, transport: Any) -> Self:
        """Let every client made from now on send its requests over `transport`: for tests without a network.

        Args:
            transport: What `HamsaClient` takes; None for the network again. It is not saved with the block.
        """
        self._transport = transport
        return self

    def get_client(self) -> HamsaClient:
        """Make a client. It is the caller's to close: `async with credentials.get_client() as hamsa`."""
        return HamsaClient(
            self.api_key,
            base_url=self.resolved_base_url,
            timeouts=Timeouts(
                connect_seconds=self.connect_timeout_seconds,
                read_seconds=self.read_timeout_seconds,
                write_seconds=self.write_timeout_seconds,
                pool_seconds=self.pool_timeout_seconds,
            ),
            transport=self._transport,
        )
