"""Tests of hamsa/: over real HTTP, in process or on loopback."""
