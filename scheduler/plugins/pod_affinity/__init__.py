"""InterPodAffinity: what pods require and prefer of those near them."""
