"""``fsrec doctor``: what is wrong between fsrec and its switches, each with its fix."""

from controller.doctor.examination import Call, Checker, Finding, Level, Trial, examine, exit_code, render

__all__ = ["Call", "Checker", "Finding", "Level", "Trial", "examine", "exit_code", "render"]
