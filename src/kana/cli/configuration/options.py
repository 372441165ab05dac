"""The options of all configuration commands, as Kana's own have them."""

from __future__ import annotations

import click

live_option = click.option("--live", is_flag=True, help="Pull or publish config for your live Kana app")
force_option = click.option("-f", "--force", is_flag=True, help="Override errors when publishing kana.yaml")
