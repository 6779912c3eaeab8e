"""A real Kubernetes control plane on this machine, without containers: for the demo, the tests and the benchmarks.

etcd, kube-apiserver, kube-controller-manager and, on request, stock kube-scheduler run as plain processes on loopback
ports; KWOK plays the kubelets of the nodes that a topology file describes; every storage node has a real MinIO server.
What a scheduler or a daemon sees is the real API with real refusals, so what passes here is not passing against a mock.

    with cluster.start(topology.load(path)) as running:
        running.kubectl("get", "nodes")

Everything is synchronous and may be called from any thread; from asyncio use ``await asyncio.to_thread(...)``.

Who does what, top down:

    __main__      up, down, kubeconfig, run
    cluster       one running cluster: start, stop, kubectl, tokens, nodes, stores
    controlplane  the command lines of the Kubernetes processes
    knativeserving  Knative Serving, where it is asked for
    stores        a MinIO server and the Service, Secret and Pod that announce it
    nodes         Node objects of a topology
    topology      the topology file
    rest          the few API requests that are made without kubectl
    rights        how to see that a binding holds
    credentials   random tokens, keys, kubeconfig files
    keeping       directories of clusters, and the client of the keeper
    keeper        the process that holds all processes of a cluster and ends them
    binaries      finds the programs, or has them built
    building      builds them once into a per-user cache
"""
