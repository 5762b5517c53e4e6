"""Dialling over the whole daemon: who is heard on which side, who does not answer, and hostile numbers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from controller.softswitch.script import Press, Quiet, Tone
from tests.harness.esl import connected
from tests.harness.switch import Call, Switch
from tests.scenarios.daemon import Callbacks, Daemon, record_call
