"""Users, their subscriptions, and what they may use."""
