"""Tests of `sandbox/http`."""
