"""The API of Kana's command line: an environment's features and packages as one configuration."""

from kana.api.config.endpoints import routes

__all__ = ["routes"]
