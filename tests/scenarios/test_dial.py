"""Dialling over the whole daemon: who is heard on which side, who does not answer, and hostile numbers."""

from __future__ import annotations
