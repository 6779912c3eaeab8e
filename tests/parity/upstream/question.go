package main

import (
	"encoding/json"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"
	kjson "sigs.k8s.io/json"
)

// Question holds the objects of a cluster as its API server returns them, and the pod to place.
type Question struct {
	ID                     json.RawMessage                 `json:"id"`
	Pod                    *v1.Pod                         `json:"pod"`
	Nodes                  []*v1.Node                      `json:"nodes"`
	Pods                   []*v1.Pod                       `json:"pods"`
	Namespaces             []*v1.Namespace                 `json:"namespaces"`
	PVCs                   []*v1.PersistentVolumeClaim     `json:"pvcs"`
	PVs                    []*v1.PersistentVolume          `json:"pvs"`
	StorageClasses         []*storagev1.StorageClass       `json:"storageClasses"`
	CSINodes               []*storagev1.CSINode            `json:"csiNodes"`
	CSIDrivers             []*storagev1.CSIDriver          `json:"csiDrivers"`
	CSIStorageCapacities   []*storagev1.CSIStorageCapacity `json:"csiStorageCapacities"`
	VolumeAttachments      []*storagev1.VolumeAttachment   `json:"volumeAttachments"`
	Services               []*v1.Service                   `json:"services"`
	ReplicationControllers []*v1.ReplicationController     `json:"replicationControllers"`
	ReplicaSets            []*appsv1.ReplicaSet            `json:"replicaSets"`
	StatefulSets           []*appsv1.StatefulSet           `json:"statefulSets"`
	PDBs                   []*policyv1.PodDisruptionBudget `json:"pdbs"`
	DeviceClasses          []*resourcev1.DeviceClass       `json:"deviceClasses"`
	ResourceClaims         []*resourcev1.ResourceClaim     `json:"resourceClaims"`
	ResourceSlices         []*resourcev1.ResourceSlice     `json:"resourceSlices"`
	DeviceTaintRules       []*resourcev1.DeviceTaintRule   `json:"deviceTaintRules"`
	Config                 json.RawMessage                 `json:"config"`
}

func (q *Question) read(line []byte) error {
	var named struct {
		ID json.RawMessage `json:"id"`
	}
	if err := json.Unmarshal(line, &named); err != nil {
		return err
	}
	q.ID = named.ID
	// As the API machinery reads: exact names of fields, integers kept.
	if err := kjson.UnmarshalCaseSensitivePreserveInts(line, q); err != nil {
		return err
	}
	if q.Pod == nil {
		return fmt.Errorf("pod: missing")
	}
	for _, pod := range append([]*v1.Pod{q.Pod}, q.Pods...) {
		if pod.UID == "" { // upstream keeps pods by uid
			pod.UID = types.UID("name:" + pod.Namespace + "/" + pod.Name)
		}
	}
	return nil
}
