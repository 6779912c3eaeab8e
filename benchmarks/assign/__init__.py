"""Joint placement beside the best that could be done. Run by `python -m benchmarks.assign`.

instances    generated problems: pods with inputs over edge and cloud, and what they cost where
optimum      the same problems for an exact solver, scipy's HiGHS
"""
