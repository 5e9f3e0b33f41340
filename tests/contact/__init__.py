"""Tests of what `make deploy` makes: on a real server, with real workers."""
