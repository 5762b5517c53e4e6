"""The settings that a command is about."""

from __future__ import annotations

import argparse

from controller.cli.values import CONFIG, CommandFailed
from controller.settings import Settings, SettingsError, load


def settings_of(options: argparse.Namespace) -> Settings:
    """Load what ``--config`` names; settings that are refused end the command with each of their problems."""
    try:
        return load(options.config)
    except SettingsError as error:
        raise CommandFailed(str(error), CONFIG) from None
