"""The nouns: frozen values and pure rules. Knows no clock, no store, no wire."""
