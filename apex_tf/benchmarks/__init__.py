"""How fast the parts and the whole are, beside the limit of this machine.

Each suite is a function of `suites` or `program_suites` that returns rows: a
figure, what it is compared with, and what it has to reach. Whatever is compared
runs in a process of its own (`workers`), and the processes take turns
(`rounds`), so that a machine that others use too slows all of them alike.
"""
