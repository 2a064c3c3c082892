"""Many runs that belong together: the paper's studies, and suites of games.

A study asks one question (`studies`) and compares arms, which differ in fields
of the configuration (`arms`). A `plan` says of what it consists: arms and
seeds, a cell for each, which is a run in a directory of its own
(`study_directory`). `runner` runs the cells, `outcomes` reads what came out,
and `results` writes it, as `pictures`, `tables` and CSV; of a suite of games,
as scores (`games`).
"""
