"""Tests of scheduler.state: what the cluster looks like, kept incrementally."""
