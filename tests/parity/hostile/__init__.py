"""Hostile questions for the comparison with upstream: random clusters full of corners, as the API returns them."""
