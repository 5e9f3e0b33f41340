"""Things to try: the demo behind `make demo`, and a campaign of one's own in ten lines."""
