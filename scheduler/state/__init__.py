"""What the cluster looks like, as numpy arrays over nodes: names become indices here. Written by one thread only."""
