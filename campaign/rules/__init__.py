"""Rules: when, how often and whom a policy lets be called, as pure decisions over data."""
