"""The fault suite (`make faults`): real processes, seeded faults, a judge that believes only switch and receivers.

One seed is one ``plan.Plan``: calls of the three dialects, and faults at moments of their own. ``run`` lives through
it with a daemon, a softswitch (processes, both killed and started again), a proxy between them and receivers that
misbehave; ``judge`` compares what was told with what was there. ``python -m tests.faults --help``.
"""
