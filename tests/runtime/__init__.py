"""Runs live and end in Prefect as people expect."""
