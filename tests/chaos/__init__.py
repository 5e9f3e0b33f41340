"""Real processes, killed at random: campaigns whose flow is ended by SIGKILL again and again, on real databases.

`make chaos` prints what became of every ring and every customer; a short version is among the tests. `victim` is the
process that is killed, `torment` kills it, `truth` compares what Hamsa knows with what the ledger says.
"""
