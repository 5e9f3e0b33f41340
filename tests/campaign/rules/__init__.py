"""Nobody is called at a wrong time, or too often."""
