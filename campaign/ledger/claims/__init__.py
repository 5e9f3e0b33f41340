"""What is decided about a claim, in memory: the past that counts, the limits, what was spent, the verdict."""
