"""Other implementations, measured beside ours.

Each file is run by the interpreter of an environment of its own, which `make
peers` installs, and imports nothing of apex_tf but `benchmarks.workers`.
"""
