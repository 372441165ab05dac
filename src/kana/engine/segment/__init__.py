"""What Segment sends: kept, mapped by rules, and carried out."""
