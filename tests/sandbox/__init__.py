"""The sandbox keeps its own promises."""
