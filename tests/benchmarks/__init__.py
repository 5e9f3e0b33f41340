"""Tests of what measures: a figure nobody can trust is worse than none."""
