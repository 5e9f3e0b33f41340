"""Tests of `sandbox/calls`."""
