"""Reporting: in which bucket each row ended and why, in words that a person reads, with numbers masked."""
