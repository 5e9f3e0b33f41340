"""A local Hamsa to develop, demonstrate and test against: `python -m sandbox --port 8765 --seed 7 --speed 60`."""
