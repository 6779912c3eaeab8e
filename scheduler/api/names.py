"""Every label, annotation, group and field-manager string, in one place.

The ``scheduler.thesis`` and ``node-capability`` names are those that manifests written for the earlier
implementation carry; they are accepted unchanged.
"""

from __future__ import annotations

from typing import Final

SCHEDULER_NAME: Final = "data-locality-scheduler"
# Where the scheduler runs, and whose DataObjects every pod may use.
HOME_NAMESPACE: Final = "data-locality-scheduler"

# The custom resources.
GROUP: Final = "scheduler.thesis"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
DATA_OBJECTS: Final = "dataobjects"
NODE_CAPABILITIES: Final = "nodecapabilities"
BUCKET_LABEL: Final = f"{GROUP}/bucket"
LOCATION_PREFIX: Final = f"location.{GROUP}/"  # and a node's name, see crd.location_label
# On DataObjects that the scheduler made because a pod names the key, and may delete when none does.
ON_DEMAND_LABEL: Final = f"{GROUP}/on-demand"
# On those: the namespace whose pod asked for it.
ON_DEMAND_FOR: Final = f"{GROUP}/on-demand-for"
# Who made an object; the daemons' field manager on what they made themselves.
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
# In place of a node's name: a store outside the cluster.
EXTERNAL: Final = "external"
SCHEDULER_FIELD_MANAGER: Final = "data-locality-scheduler"
DAEMON_FIELD_MANAGER: Final = "data-locality-daemon"
LINKS_FIELD_MANAGER: Final = "data-locality-links"
# On the NodeCapabilities of those nodes that measure links for their zone.
PROBES_LABEL: Final = f"{GROUP}/probes-for-zone"

# Pod annotations.
DATA_PREFIX: Final = "data.scheduler.thesis/"
INPUT_PREFIX: Final = f"{DATA_PREFIX}input-"
OUTPUT_PREFIX: Final = f"{DATA_PREFIX}output-"
HINT_PREFIX: Final = "scheduler.thesis/"
DATA_INTENSIVE: Final = f"{HINT_PREFIX}data-intensive"
COMPUTE_INTENSIVE: Final = f"{HINT_PREFIX}compute-intensive"
PREFER_EDGE: Final = f"{HINT_PREFIX}prefer-edge"
PREFER_CLOUD: Final = f"{HINT_PREFIX}prefer-cloud"
PREFER_REGION: Final = f"{HINT_PREFIX}prefer-region"
PREFER_ZONE: Final = f"{HINT_PREFIX}prefer-zone"
REQUIRES_GPU: Final = f"{HINT_PREFIX}requires-gpu"
REQUIRES_FAST_STORAGE: Final = f"{HINT_PREFIX}requires-fast-storage"
REQUIRES_LOCAL_STORAGE: Final = f"{HINT_PREFIX}requires-local-storage"
REQUIRED_CAPABILITY: Final = f"{HINT_PREFIX}required-capability"
CAPABILITY_REQUIREMENTS: Final = f"{HINT_PREFIX}capability-requirements"
CAPABILITY_PREFIX: Final = f"{HINT_PREFIX}capability-"
DATA_SOURCES: Final = f"{HINT_PREFIX}data-sources"
WORKLOAD_TYPE: Final = f"{HINT_PREFIX}workload-type"
MAX_DELAY_SECONDS: Final = f"{HINT_PREFIX}max-delay-seconds"
GANG: Final = f"{HINT_PREFIX}gang"
GANG_SIZE: Final = f"{HINT_PREFIX}gang-size"
GANG_TIMEOUT_SECONDS: Final = f"{HINT_PREFIX}gang-timeout-seconds"
EVENT_DATA: Final = "knative.event-data"
# What the webhook added to a pod, and from where.
ENRICHED: Final = f"{HINT_PREFIX}enriched"
# Which scheduler the pods of a Knative Service get (or of whatever else bears it), where they name none themselves.
SCHEDULER_NAME_ANNOTATION: Final = "scheduler.knative.dev/scheduler-name"
DEFAULT_SCHEDULER_NAME: Final = "default-scheduler"
# On the pods of a Knative Service: its name.
KNATIVE_SERVICE_LABEL: Final = "serving.knative.dev/service"
# On the ConfigMaps in which the webhook keeps what events said of the data to come.
EVENTS_LABEL: Final = f"{GROUP}/events"

# Service annotations that mark an S3 store.
STORAGE_SERVICE: Final = f"{HINT_PREFIX}storage-service"
STORAGE_ENDPOINT: Final = f"{HINT_PREFIX}storage-endpoint"
STORAGE_SECRET: Final = f"{HINT_PREFIX}storage-secret"
STORAGE_CA: Final = f"{HINT_PREFIX}storage-ca"
STORAGE_ROLE: Final = f"{HINT_PREFIX}storage-role"
STORAGE_REGION: Final = f"{HINT_PREFIX}storage-region"

# Namespace label: the stores of a namespace that bears it with this value speak for everybody, not for it alone.
STORES_LABEL: Final = f"{HINT_PREFIX}stores"
SHARED: Final = "shared"

# PersistentVolume label: the bucket that the volume's directory stands for. A label, so that the API server selects.
STORAGE_BUCKET: Final = f"{HINT_PREFIX}storage-bucket"

# Node label: with the value "off", no link from or to the node is measured.
LINK_PROBES_LABEL: Final = f"{HINT_PREFIX}link-probes"

# Node labels.
NODE_CAPABILITY_PREFIX: Final = "node-capability/"
NODE_TYPE_LABEL: Final = f"{NODE_CAPABILITY_PREFIX}node-type"
STORAGE_BUCKET_PREFIX: Final = f"{NODE_CAPABILITY_PREFIX}storage-bucket-"
BANDWIDTH_PREFIX: Final = f"{NODE_CAPABILITY_PREFIX}bandwidth-to-"
LATENCY_PREFIX: Final = f"{NODE_CAPABILITY_PREFIX}latency-to-"
REGION_LABEL: Final = "topology.kubernetes.io/region"
ZONE_LABEL: Final = "topology.kubernetes.io/zone"
HOSTNAME_LABEL: Final = "kubernetes.io/hostname"
