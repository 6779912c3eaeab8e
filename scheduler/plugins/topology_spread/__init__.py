"""PodTopologySpread: how evenly pods are spread over the domains of labels."""
