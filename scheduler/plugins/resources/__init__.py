"""Room on a node: what must be free, how full it would be, and how evenly used."""
