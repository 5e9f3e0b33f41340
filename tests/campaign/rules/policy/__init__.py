"""Tests of `campaign/rules/policy`."""
