"""Other implementations, measured beside ours.

Each file is run by the interpreter of an environment of its own, which `make
peers` installs, and imports of apex_tf `benchmarks.workers` and
`benchmarks.servers` only.
"""
