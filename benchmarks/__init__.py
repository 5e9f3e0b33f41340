"""Measurements behind what the project says of its speed and cost, each beside what it is compared to.

Promises real programs (sandbox, Prefect server, webhook receiver and each measured program are their own processes) and
figures of one run: nothing is taken over from another day or another machine. `python -m benchmarks` prints the table.
"""
