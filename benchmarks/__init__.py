"""Every figure that the documentation quotes, reproducible by `make bench`.

A part measures one thing and returns `Figure`s; `__main__` runs the parts and writes
docs/benchmarks.md and docs/benchmarks.png. Times are medians of at least five runs, taken
in turn, so that a machine that slows down slows all of them; what counts are ratios of one run.
"""
