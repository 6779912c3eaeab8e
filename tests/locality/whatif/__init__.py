"""What `kubectl locality what-if` says."""
