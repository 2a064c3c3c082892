"""Many runs that belong together: the paper's studies, and suites of games.

A study is a grid of cells, one for each arm and seed; each cell is a run in a
directory of its own (`study_directory`). `grids` says which arms a study has,
`runner` runs the cells, `outcomes` reads what came out, and `results` writes
it as a picture, a table and CSV.
"""
