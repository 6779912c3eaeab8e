"""Tests of scheduler.engine: filters, criteria, profiles, the decision, its explanation and its door."""
