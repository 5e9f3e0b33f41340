"""Tests of what is saved in Prefect."""
