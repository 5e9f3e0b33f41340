"""How another repository has people called: it needs `prefect`, and nothing of this project."""
