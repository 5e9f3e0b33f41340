"""What reacts to calls and campaigns: automations to be put on a Prefect server, and a step that deploys need."""
