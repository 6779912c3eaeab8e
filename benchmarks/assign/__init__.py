"""Joint placement beside the best that could be done. Run by `python -m benchmarks.assign`.

instances    generated problems: pods with inputs over edge and cloud, and what they cost where
trials       one problem: joint placement and one pod at a time
optimum      the same problem for an exact solver, scipy's HiGHS
contended    the same, where transfers take from each other
"""
