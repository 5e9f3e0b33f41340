"""Lines stay busy, and each phone is made to ring at most once."""
