"""Tests of scheduler.engine.assign: what holds of any plan, and how near the best one it comes."""
