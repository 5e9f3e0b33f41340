"""The steps of a campaign keep their promises as Prefect tasks."""
