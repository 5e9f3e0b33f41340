"""Following: how a placed call ends, and what became of a call whose answer was lost."""
