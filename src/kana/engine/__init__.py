"""The verbs: change the catalogue, keep accounts, check and record usage, open doors to keys."""
