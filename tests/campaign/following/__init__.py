"""How each call went is learned, whatever Hamsa's answers look like."""
