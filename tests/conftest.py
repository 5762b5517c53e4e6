"""Fixtures of all tests."""

pytest_plugins = ("tests.harness.fixtures", "tests.scenarios.daemon")
