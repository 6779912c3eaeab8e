package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"

	v1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	kjson "sigs.k8s.io/json"
)

// Happening is something that happens to one object of the question's cluster, or to the pod that waits ("TargetPod").
type Happening struct {
	Resource fwk.EventResource `json:"resource"`
	Old      json.RawMessage   `json:"old"`
	New      json.RawMessage   `json:"new"`
}

// Hinted says of each plugin that could have refused the pod whether the queue would try the pod again.
type Hinted struct {
	ID    json.RawMessage `json:"id,omitempty"`
	Fault string          `json:"fault,omitempty"`
	Wakes map[string]bool `json:"wakes,omitempty"`
}

// hint answers a question that has a happening beside the objects.
func hint(line []byte) (told any) {
	var asked Question
	defer func() {
		if defect := recover(); defect != nil {
			told = &Hinted{ID: asked.ID, Fault: fmt.Sprintf("panic: %v", defect)}
			debug.PrintStack()
		}
	}()
	var with struct {
		Event Happening `json:"event"`
	}
	if err := asked.read(line); err != nil {
		return &Hinted{ID: asked.ID, Fault: err.Error()}
	}
	if err := json.Unmarshal(line, &with); err != nil {
		return &Hinted{ID: asked.ID, Fault: err.Error()}
	}
	wakes, err := wakesOf(&asked, &with.Event)
	if err != nil {
		return &Hinted{ID: asked.ID, Fault: err.Error()}
	}
	return &Hinted{ID: asked.ID, Wakes: wakes}
}

func wakesOf(asked *Question, event *Happening) (map[string]bool, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	made, err := newScheduler(ctx, asked)
	if err != nil {
		return nil, err
	}
	older, newer, err := event.objects()
	if err != nil {
		return nil, err
	}
	pod := asked.Pod
	if event.Resource == fwk.TargetPod { // the queue asks about the pod as it is now
		pod = newer.(*v1.Pod)
	}
	happened := event.happened(older, newer)
	wakes := map[string]bool{}
	for _, enabled := range made.framework.ListPlugins().Filter.Enabled {
		plugin, hints := made.plugins[enabled.Name].(fwk.EnqueueExtensions)
		if !hints {
			continue
		}
		registered, err := plugin.EventsToRegister(ctx)
		if err != nil {
			return nil, err
		}
		wakes[enabled.Name] = isWoken(ctx, pod, registered, happened, older, newer)
	}
	return wakes, nil
}

// isWoken is what isPodWorthRequeuing finds for one plugin.
func isWoken(
	ctx context.Context, pod *v1.Pod, registered []fwk.ClusterEventWithHint, happened []fwk.ClusterEvent, older, newer any,
) bool {
	for _, event := range happened {
		for _, one := range registered {
			if !framework.MatchClusterEvents(one.Event, event) {
				continue
			}
			if one.QueueingHintFn == nil {
				return true
			}
			hint, err := one.QueueingHintFn(klog.FromContext(ctx), pod, older, newer)
			if err != nil || hint == fwk.Queue {
				return true
			}
		}
	}
	return false
}

// objects reads what there was and what there is now; none is a nil interface, as in upstream's handlers.
func (h *Happening) objects() (older, newer any, err error) {
	if older, err = h.object(h.Old); err != nil {
		return nil, nil, err
	}
	newer, err = h.object(h.New)
	return older, newer, err
}

func (h *Happening) object(given json.RawMessage) (any, error) {
	if len(given) == 0 || string(given) == "null" {
		return nil, nil
	}
	var found any
	switch h.Resource {
	case fwk.Node:
		found = &v1.Node{}
	case fwk.AssignedPod, fwk.TargetPod:
		found = &v1.Pod{}
	case fwk.PersistentVolumeClaim:
		found = &v1.PersistentVolumeClaim{}
	case fwk.PersistentVolume:
		found = &v1.PersistentVolume{}
	case fwk.StorageClass:
		found = &storagev1.StorageClass{}
	case fwk.CSINode:
		found = &storagev1.CSINode{}
	case fwk.CSIDriver:
		found = &storagev1.CSIDriver{}
	case fwk.CSIStorageCapacity:
		found = &storagev1.CSIStorageCapacity{}
	case fwk.VolumeAttachment:
		found = &storagev1.VolumeAttachment{}
	default:
		return nil, fmt.Errorf("event.resource: %q is not known", h.Resource)
	}
	return found, kjson.UnmarshalCaseSensitivePreserveInts(given, found)
}

// happened is what upstream's event handlers make of it.
func (h *Happening) happened(older, newer any) []fwk.ClusterEvent {
	switch {
	case older == nil:
		return []fwk.ClusterEvent{{Resource: h.Resource, ActionType: fwk.Add}}
	case newer == nil:
		return []fwk.ClusterEvent{{Resource: h.Resource, ActionType: fwk.Delete}}
	case h.Resource == fwk.Node:
		return framework.NodeSchedulingPropertiesChange(newer.(*v1.Node), older.(*v1.Node))
	case h.Resource == fwk.AssignedPod || h.Resource == fwk.TargetPod:
		return framework.PodSchedulingPropertiesChange(newer.(*v1.Pod), older.(*v1.Pod), h.Resource == fwk.TargetPod)
	}
	return []fwk.ClusterEvent{{Resource: h.Resource, ActionType: fwk.Update}}
}
