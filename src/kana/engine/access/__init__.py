"""Access: keys for the APIs, and the colleagues who sign in to the dashboard."""
