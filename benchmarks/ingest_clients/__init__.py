"""Clients that read a flood of events and say what it cost: each a process of its own (``… PORT EVENTS``).

They print one line of JSON (see `meter`). Those of other libraries import nothing of fsrec, so that each can run in
an environment of its own.
"""
