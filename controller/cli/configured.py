"""The settings that a command is about."""

from __future__ import annotations

import argparse

from controller.cli.values import CONFIG, CommandFailed
from controller.settings import Reach, Settings, SettingsError, load, load_reach


def settings_of(options: argparse.Namespace) -> Settings:
    """Load what ``--config`` names; settings that are refused end the command with each of their problems."""
    try:
        return load(options.config)
    except SettingsError as error:
        raise CommandFailed(str(error), CONFIG) from None


def reach_of(options: argparse.Namespace) -> Reach:
    """Load of what ``--config`` names how its daemon is reached; all else in it may be wrong, or not known here."""
    try:
        return load_reach(options.config)
    except SettingsError as error:
        raise CommandFailed(str(error), CONFIG) from None
