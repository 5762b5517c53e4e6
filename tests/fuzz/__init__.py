"""Hostile input to everything that reads: what is generated is mostly right, and wrong in one place.

Two profiles. `ci`, a part of `make test`, is quick and always the same. `deep` (`make fuzz`, or FSREC_FUZZ=deep)
looks further, at other places each time, and says how to see a failure again. What was found is an `@example`.
"""
