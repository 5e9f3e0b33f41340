"""Tests of `runtime/sources`."""
