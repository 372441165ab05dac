"""Databases behind the engine's ports: ``sqlite`` and ``postgres``. Nobody else speaks SQL."""
