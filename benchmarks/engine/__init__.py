"""Decisions alone, without a cluster: how long one takes by kind of pod. Run by `make bench-engine`.

door         the one way in which the engine is driven here
worlds       clusters with many pods placed, and the pods that are decided about
kinds        decisions by kind of pod, in turn with kube-scheduler's own cycles
upstream     these, timed by the Go program of tests/parity
rival        Skippy's core beside ours, in an environment of its own
"""
