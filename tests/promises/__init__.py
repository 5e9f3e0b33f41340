"""Proof that nobody is called twice and nobody is lost, whatever breaks, and that the proof would notice."""
