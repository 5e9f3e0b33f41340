"""Tests of what people try first: the demo, its data, and the example of an own campaign."""
