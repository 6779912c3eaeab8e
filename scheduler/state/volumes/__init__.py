"""Claims and volumes, and which of them the pods on the nodes use."""
