"""Dialing: lines, limits and the one place from which a phone is made to ring."""
