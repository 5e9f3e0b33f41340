"""The promises of the project, each held by a test that is named after it."""
