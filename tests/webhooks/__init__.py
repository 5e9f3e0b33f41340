"""Tests of the door for Hamsa's events."""
