"""Counts add up, and what is personal is masked."""
