"""Tests of `campaign/ledger/claims`."""
