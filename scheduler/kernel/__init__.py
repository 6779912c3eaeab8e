"""Scheduling itself as one state machine: events in, commands out, nothing awaited, no clock and no network."""
