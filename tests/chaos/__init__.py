"""Real processes, killed at random: campaigns whose flow is ended by SIGKILL again and again, on real databases.

`make chaos` prints what happened to every ring and every customer; a short version is among the tests. `killed_run` is
the process that dies, `kill_loop` kills it, `truth` compares what Hamsa knows with what the ledger says.
"""
