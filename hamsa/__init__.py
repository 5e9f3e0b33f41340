"""Hamsa's HTTP API, typed: a client, what goes out and comes back, and errors that say what to do next."""
