"""Tests of scheduler.simulate: virtual time, transfers that share links, what comes of a scenario."""
