"""The databases behind the engine's ports: ``sqlite`` and ``postgres``. Only this package uses SQL."""
