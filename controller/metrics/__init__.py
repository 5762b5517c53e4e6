"""What is counted: telemetry of every room made into Prometheus metrics, by one table a room.

Only this package knows prometheus_client. Names begin with ``fsrec_`` and end in a base unit, labels hold no ids, and
every child that can be foreseen exists at zero, so that a rate over it is right from the first event on. A label's
value that a table doesn't foresee is counted as ``other``: what a caller sends can't make new series.
docs/metrics.md is made of the tables (``python -m controller.metrics.manual``).
"""
