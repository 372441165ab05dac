"""What Segment sends: storing it, mapping it by rules, and processing it."""
