"""Users, what they are subscribed to, and what they hold."""
