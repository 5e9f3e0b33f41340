"""How the project lives in Prefect's engine: events, artifacts, run logs, clean failures, cancellation."""
