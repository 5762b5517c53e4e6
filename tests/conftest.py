"""Fixtures of all tests, and what all properties share."""

from hypothesis import HealthCheck, settings

pytest_plugins = ("tests.harness.fixtures", "tests.harness.browser", "tests.scenarios.daemon")

# A shared machine is slow at times; what does not end fails by the suite's own timeout.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")
