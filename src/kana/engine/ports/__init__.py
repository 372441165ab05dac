"""The engine's ports, a module for each noun: what it needs from storage and the clock, and the values passed.

Only what ``tests/contract`` checks is promised. A port method is one transaction and uses the domain's words. If
something must be decided inside the transaction, the store reads under a lock, calls the pure rule it was given, and
writes what the rule returned. So each rule exists once, whatever the database.

Any method may raise ``Unavailable`` (nothing was written) and, if it writes, ``OutcomeUnknown`` (it may be written).
"""
