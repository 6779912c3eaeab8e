package main

import (
	"context"
	"errors"
	"math"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	corev1helpers "k8s.io/component-helpers/scheduling/corev1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"
)

// Preemption is what DefaultPreemption would do, on every node where it may help.
type Preemption struct {
	Eligible   bool               `json:"eligible"`
	Why        string             `json:"why,omitempty"` // what is appended to the message where nothing is preempted
	Candidates map[string]Victims `json:"candidates"`
	Selected   []string           `json:"selected"` // every node that may win
}

// Victims are the pods to be evicted from a node, the most important first.
type Victims struct {
	Pods             []string `json:"pods"`
	NumPDBViolations int64    `json:"numPDBViolations"`
}

// nothingFits says so, and what preemption would do about it: upstream's Evaluator without carrying it out.
func (s *scheduler) nothingFits(
	ctx context.Context, told *Answer, pod *v1.Pod, state fwk.CycleState, diagnosis *framework.Diagnosis, nodes int,
) error {
	told.Message = (&framework.FitError{Pod: pod, NumAllNodes: nodes, Diagnosis: *diagnosis}).Error()
	plugin, enabled := s.plugins[defaultpreemption.Name].(*defaultpreemption.DefaultPreemption)
	if !enabled || len(s.framework.ListPlugins().PostFilter.Enabled) == 0 {
		return nil
	}
	found := &Preemption{Candidates: map[string]Victims{}, Selected: []string{}}
	told.Preemption = found
	evaluator := plugin.Evaluator
	nominated := diagnosis.NodeToStatus.Get(pod.Status.NominatedNodeName)
	eligible, why := evaluator.PodEligibleToPreemptOthers(ctx, pod, nominated)
	if found.Eligible = eligible; !eligible {
		found.Why = "preemption: " + why
		return nil
	}
	hopeful, err := diagnosis.NodeToStatus.NodesForStatusCode(s.snapshot.NodeInfos(), fwk.Unschedulable)
	if err != nil {
		return err
	}
	slices.SortFunc(hopeful, func(a, b fwk.NodeInfo) int { return s.place[a.Node().Name] - s.place[b.Node().Name] })
	statuses := framework.NewDefaultNodeToStatus()
	var candidates []preemption.Candidate
	if len(hopeful) > 0 {
		budgets, err := evaluator.PdbLister.List(labels.Everything())
		if err != nil {
			return err
		}
		candidates, statuses, err = evaluator.DryRunPreemption(ctx, state, pod, hopeful, budgets, 0, int32(len(hopeful)))
		if err != nil && len(candidates) == 0 {
			found.Why = "preemption: " + err.Error()
			return nil
		}
	}
	if len(candidates) == 0 {
		statuses.SetAbsentNodesStatus(
			fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "Preemption is not helpful for scheduling"))
		why := &framework.FitError{Pod: pod, NumAllNodes: nodes, Diagnosis: framework.Diagnosis{NodeToStatus: statuses}}
		found.Why = "preemption: " + why.Error()
		return nil
	}
	for _, candidate := range candidates {
		victims := Victims{NumPDBViolations: candidate.Victims().NumPDBViolations}
		for _, victim := range candidate.Victims().Pods {
			victims.Pods = append(victims.Pods, victim.Namespace+"/"+victim.Name)
		}
		found.Candidates[candidate.Name()] = victims
	}
	chosen := evaluator.SelectCandidate(ctx, candidates)
	if chosen == nil {
		return errors.New("upstream chose no candidate")
	}
	best := rank(chosen.Victims())
	for _, node := range hopeful {
		for _, candidate := range candidates {
			if candidate.Name() == node.Node().Name && rank(candidate.Victims()) == best {
				found.Selected = append(found.Selected, candidate.Name())
			}
		}
	}
	return nil
}

// rank is all that upstream compares; candidates of one rank tie, and upstream takes any of them.
func rank(victims *extenderv1.Victims) [5]int64 {
	sum := int64(0)
	for _, pod := range victims.Pods {
		sum += int64(corev1helpers.PodPriority(pod)) + int64(math.MaxInt32+1)
	}
	started := int64(math.MaxInt64) // of pods that have not started, upstream takes the time of asking
	for _, pod := range victims.Pods {
		if corev1helpers.PodPriority(pod) == corev1helpers.PodPriority(victims.Pods[0]) && pod.Status.StartTime != nil {
			started = min(started, pod.Status.StartTime.UnixNano())
		}
	}
	return [5]int64{
		victims.NumPDBViolations, int64(corev1helpers.PodPriority(victims.Pods[0])), sum, int64(len(victims.Pods)), started,
	}
}
