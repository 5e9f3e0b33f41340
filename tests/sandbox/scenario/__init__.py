"""Tests of `sandbox/scenario`."""
