"""Tests of `campaign/dialing/claiming`."""
