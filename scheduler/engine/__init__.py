"""The decision: filters, scores, criteria and the weighted sum, as pure functions of a snapshot, a pod and settings."""
