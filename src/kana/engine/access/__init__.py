"""Who may come in: keys and what they open, and the colleagues who sign in to the dashboard."""
