"""The nouns: immutable values and pure rules. Nothing here reads a clock, a store or a network."""
