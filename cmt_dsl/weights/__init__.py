"""Parameters as arrays by path: how they start, and what other code bases call them; no framework."""
