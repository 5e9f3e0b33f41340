"""Tests of `campaign/ledger/notes`."""
