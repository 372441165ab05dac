"""The verbs: change the catalogue, manage users, check and record usage, authenticate keys and colleagues."""
