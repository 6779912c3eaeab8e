package main

import (
	"context"
	"fmt"

	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/types"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources"
)

// Allocated is what a claim would get on a node.
type Allocated struct {
	Claim      string                       `json:"claim"`
	Requests   []resourcev1.DeviceRequest   `json:"requests,omitempty"` // of the claim to make for extended resources
	Allocation *resourcev1.AllocationResult `json:"allocation"`
}

// allocating is upstream's manager of devices, except that what Reserve allocates is noted and not kept: so each node
// can be asked in turn.
type allocating struct {
	fwk.SharedDRAManager
	noted []*resourcev1.ResourceClaim
}

type noting struct {
	fwk.ResourceClaimTracker
	manager *allocating
}

func (a *allocating) ResourceClaims() fwk.ResourceClaimTracker {
	return noting{a.SharedDRAManager.ResourceClaims(), a}
}

func (n noting) SignalClaimPendingAllocation(_ types.UID, claim *resourcev1.ResourceClaim) error {
	n.manager.noted = append(n.manager.noted, claim)
	return nil
}

// allocations asks what Reserve would allocate on each of the nodes. The random ids of shares are left out.
func (s *scheduler) allocations(
	ctx context.Context, pod *v1.Pod, state fwk.CycleState, nodes []string,
) (map[string][]Allocated, error) {
	plugin, enabled := s.plugins[dynamicresources.Name].(fwk.ReservePlugin)
	if _, err := state.Read(dynamicresources.Name); !enabled || err != nil {
		return nil, nil
	}
	found := map[string][]Allocated{}
	for _, node := range nodes {
		s.devices.noted = nil
		if status := plugin.Reserve(ctx, state, pod, node); !status.IsSuccess() {
			return nil, fmt.Errorf("reserving on %s: %w", node, status.AsError())
		}
		for _, claim := range s.devices.noted {
			one := Allocated{Claim: claim.Name, Allocation: claim.Status.Allocation.DeepCopy()}
			if claim.Annotations[resourcev1.ExtendedResourceClaimAnnotation] == "true" {
				one.Requests = claim.Spec.Devices.Requests
			}
			for i := range one.Allocation.Devices.Results {
				one.Allocation.Devices.Results[i].ShareID = nil
			}
			found[node] = append(found[node], one)
		}
	}
	return found, nil
}
