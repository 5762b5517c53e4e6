"""Fixtures of all tests."""

pytest_plugins = ("tests.harness.fixtures", "tests.harness.browser", "tests.scenarios.daemon")
