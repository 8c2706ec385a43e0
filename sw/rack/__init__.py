"""Networks on many cards and hosts, by Ray (``twofold[ray]``)."""
