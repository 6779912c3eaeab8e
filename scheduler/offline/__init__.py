"""Drivers of the engine without a cluster: the `decide` door and what makes its questions."""
