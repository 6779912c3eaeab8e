"""The earlier implementation's own benchmark: its pipelines and nodes, its metrics by their names, and the optimum."""
