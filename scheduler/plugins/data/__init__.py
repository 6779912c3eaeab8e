"""The data criterion: the seconds that all transfers of a pod take on each node.

    t(n) = sum over inputs  min over available replicas r of  latency(r, n) + size / bandwidth(r, n)
         + sum over outputs min over stores s of the bucket   latency(n, s) + size / bandwidth(n, s)
         + sum over images that n has not got           latency(registry, n) + size / bandwidth(registry, n)

At a replica's own node the local rate counts; a store outside the cluster is never local to any. A urn with no known
location adds nothing anywhere and is named, and so, apart from those, is one that can be had nowhere now.

wanted       what a pod moves, by its annotations
spread       seconds over all nodes in short: by site, and the few nodes that differ from theirs
moves        one transfer: how much, between which ends, how long
loaded       the same beside transfers that are under way
flows        what a pod puts under way
pulls        images
ahead        what it costs those who read what a pod writes
cost         all transfers of a pod, and what is kept of them between decisions
"""
