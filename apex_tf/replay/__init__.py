"""Everything that touches Reverb: layout, tables, adder, dataset, priorities.

A transition's way through this room: `adder.py` writes it as an item of the
table of `tables.py`, laid out as `layout.py` says; `dataset.py` samples it
into the learner's batches; `priorities.py` writes its new priority back; and
by the table's own rule or by `eviction.py` it leaves.
"""
