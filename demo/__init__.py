"""The demo: a small world of edge sites and clouds, its data, and the same pods placed twice."""
