"""Intake: what upstream tables, files and tasks hold, and how it becomes recipients. Promises that no row is lost."""
