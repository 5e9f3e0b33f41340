"""What became of each call is learned, whatever Hamsa's answers look like."""
