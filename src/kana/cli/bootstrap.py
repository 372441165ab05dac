from __future__ import annotations

from typing import Any

import click

from kana.cli.configuration.options import force_option, live_option
from kana.cli.database import json_option

_API_CALLS = {"id": "api-calls", "overage_enabled": True}
EXAMPLE_CONFIG: dict[str, Any] = {
    "app": "My SaaS Business",
    "features": [
        {"id": "dashboard-access", "name": "Dashboard access", "type": "BINARY"},
        {"id": "api-calls", "name": "API calls", "type": "CONSUMABLE"},
    ],
    "packages": {
        "draft": [],
        "published": [
            {
                "id": "basic-plan",
                "name": "Basic Plan",
                "features": [{"id": "dashboard-access"}, {**_API_CALLS, "limit": 10}],
            },
            {
                "id": "premium-plan",
                "name": "Premium Plan",
                "features": [{"id": "dashboard-access"}, {**_API_CALLS, "limit": 1000}],
            },
        ],
    },
}
"""The example that Kana's own command line generates."""


@click.command()
@live_option
@force_option
@json_option
def bootstrap(live: bool, force: bool, as_json: bool) -> None:  # noqa: ARG001 - accepted as Kana's own does
    """Generate an example config file, ./kana/kana.example.yaml, without connecting to a server."""
    from kana.cli.configuration.local import EXAMPLE, file_of, write_config
    from kana.cli.configuration.screen import Screen, run

    def action(screen: Screen) -> bool:
        screen.logo()
        screen.note("Bootstrapping your new project...")
        write_config(EXAMPLE, EXAMPLE_CONFIG, schema_url=None)
        screen.done(f"Local example config successfully generated! Check out your Kana config file at ./{EXAMPLE}")
        screen.note(
            f"Once you're happy with your setup, create {file_of(live=live).name} in the same directory, and copy/paste"
            " this configuration. Then run kana publish in your terminal to publish your packages to Kana."
        )
        screen.result["file"] = str(EXAMPLE)
        return True

    run(as_json, action)
