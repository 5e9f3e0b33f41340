"""Each row becomes a recipient, or is told why not."""
