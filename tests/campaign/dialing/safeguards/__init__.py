"""Tests of `campaign/dialing/safeguards`."""
