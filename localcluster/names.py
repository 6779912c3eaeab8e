"""Names that the local cluster writes into Kubernetes objects, and that others read there.

A store is announced as users of the earlier implementation have theirs: a Service with two annotations and a labelled
MinIO pod. Two further annotations say what those manifests leave to hard-coded tables: where the store answers and
which Secret holds its credentials. Endpoints cannot say it here, as the API server refuses loopback addresses in them.
"""

from __future__ import annotations

# On Nodes.
REGION_LABEL = "topology.kubernetes.io/region"
ZONE_LABEL = "topology.kubernetes.io/zone"
HOSTNAME_LABEL = "kubernetes.io/hostname"
NODE_TYPE_LABEL = "node-capability/node-type"
KWOK_ANNOTATION = "kwok.x-k8s.io/node"  # KWOK plays the kubelet of nodes that carry it
KWOK_ANNOTATION_VALUE = "fake"

# On the Services of stores, all in STORAGE_NAMESPACE, whose label says that they are everybody's.
STORAGE_NAMESPACE = "storage"
STORES_LABEL = "scheduler.thesis/stores"
SHARED = "shared"
STORAGE_SERVICE_ANNOTATION = "scheduler.thesis/storage-service"  # "true"
STORAGE_TYPE_ANNOTATION = "scheduler.thesis/storage-type"  # "object"
STORAGE_ENDPOINT_ANNOTATION = "scheduler.thesis/storage-endpoint"  # http://127.0.0.1:PORT
STORAGE_SECRET_ANNOTATION = "scheduler.thesis/storage-secret"  # a Secret of the same namespace
STORAGE_CA_ANNOTATION = "scheduler.thesis/storage-ca"  # a ConfigMap of the same namespace, with CA_KEY; of a TLS store

# In that ConfigMap.
CA_KEY = "ca.crt"

# In the Secrets of stores.
ACCESS_KEY = "accessKey"
SECRET_KEY = "secretKey"

# On the pods of stores; the value is the kind of server, minio or versitygw.
APP_LABEL = "app"
ROLE_LABEL = "role"
ROLE_OF_NODE_TYPE = {"edge": "edge", "cloud": "central"}
POD_REGION_LABEL = "region"
INSTANCE_LABEL = "app.kubernetes.io/instance"  # what the store's Service selects by
