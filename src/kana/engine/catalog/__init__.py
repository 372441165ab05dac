"""Features and packages, changed one by one or as a whole file."""
