"""The dashboard: server-rendered pages that work without scripts, in the same process as the API."""

from kana.dashboard.app import create_dashboard
from kana.dashboard.passwords import Argon2Passwords

__all__ = ["Argon2Passwords", "create_dashboard"]
