"""Tests that look at Prefect's UI with a real browser. Run by `make test-ui`; they need Debian's Chromium."""
