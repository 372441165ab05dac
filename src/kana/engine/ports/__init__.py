"""What the engine needs of the world, a module for each noun: the port, and the values that cross it.

What ``tests/contract`` does not pin is not promised. A port method is one transaction and speaks the domain. Where
something must be decided inside the transaction, the store reads under a lock, calls the pure rule it was given, and
writes what the rule returned: so a rule stands once, whatever the database.

Any method may raise ``Unavailable`` (nothing was written) and, if it writes, ``OutcomeUnknown`` (it may have been).
"""
