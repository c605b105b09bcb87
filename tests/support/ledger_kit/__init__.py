"""What the hard tests of the ledger share: a market to buy on, workers to kill, ledgers to throw away, a judge.

The judge (`history`) knows the ledger's records and the sandbox's books and nothing of how either came about.
"""
