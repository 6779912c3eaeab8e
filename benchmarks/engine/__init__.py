"""Decisions alone, without a cluster: how long one takes by kind of pod. Run by `make bench-engine`.

door         the one way in which the engine is driven here
worlds       states with many pods placed, and the pods that are decided about
skippy       Skippy's core beside ours, in an environment of its own
"""
