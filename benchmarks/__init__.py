"""Figures of the whole system, each with the command that measured it."""
