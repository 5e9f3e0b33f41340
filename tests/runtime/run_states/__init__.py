"""Tests of `runtime/run_states`."""
