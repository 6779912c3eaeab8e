"""An API server in the test's own process: real HTTP, invented state, faults on demand.

It is no emulation of Kubernetes. It does what the code under test can notice: lists in chunks from a snapshot, watches
from a resourceVersion with bookmarks and field selectors, 410 after compaction, bindings with their refusals, status
and Event writes, discovery enough for Kopf, and every way in which a server or a network can misbehave.

    async with server.running() as fake:
        pod = fake.store.create("pods", objects.pod("web-0"))
        fake.faults.append(faults.Fault(method="POST", path="/binding", drop="after"))
        api = await client.Api.connect(fake.kubeconfig(tmp_path))

- store.py: the objects, the history of their changes, the resourceVersion.
- selectors.py: field and label selectors.
- watches.py: one open watch, and what tests do to it.
- faults.py: what to do to the next requests that match.
- server.py: HTTP.
- certificates.py: TLS certificates for it.
- objects.py: the smallest pods, nodes and custom resources that are valid.
"""
