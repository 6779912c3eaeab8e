package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// Answer is what upstream says, by the keys of docs/decide.md.
type Answer struct {
	ID             json.RawMessage             `json:"id,omitempty"`
	Fault          string                      `json:"fault,omitempty"`
	PreFilter      *Said                       `json:"preFilter,omitempty"`
	PreFilterNodes []string                    `json:"preFilterNodes,omitempty"`
	Nodes          map[string]Said             `json:"nodes,omitempty"`
	Plugins        map[string]map[string]Said  `json:"plugins,omitempty"`
	Feasible       []string                    `json:"feasible"`
	Message        string                      `json:"message,omitempty"`
	Raw            map[string]map[string]int64 `json:"raw,omitempty"`
	Scores         map[string]map[string]int64 `json:"scores,omitempty"`
	Totals         map[string]int64            `json:"totals,omitempty"`
	ScoreError     string                      `json:"scoreError,omitempty"`
	Best           []string                    `json:"best,omitempty"`
	Allocations    map[string][]Allocated      `json:"allocations,omitempty"` // by feasible node
	Preemption     *Preemption                 `json:"preemption,omitempty"`
	Skipped        map[string][]string         `json:"skipped,omitempty"` // by extension point; for counting only
}

// Said is a status; the plugin is left out where the answer names it already.
type Said struct {
	Code    string   `json:"code"`
	Plugin  string   `json:"plugin,omitempty"`
	Reasons []string `json:"reasons,omitempty"`
}

func said(status *fwk.Status) Said {
	if status == nil { // upstream's success
		return Said{Code: fwk.Success.String()}
	}
	return Said{Code: status.Code().String(), Plugin: status.Plugin(), Reasons: status.Reasons()}
}

// decide runs one scheduling cycle up to the choice, as upstream's schedulePod does, on all nodes.
func decide(asked *Question) (*Answer, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // ends what the framework has started
	s, err := newScheduler(ctx, asked)
	if err != nil {
		return nil, err
	}
	told := &Answer{Feasible: []string{}, Skipped: map[string][]string{}}
	for _, plugin := range s.framework.PreEnqueuePlugins() {
		if status := plugin.PreEnqueue(ctx, asked.Pod); !status.IsSuccess() {
			refused := said(status.WithPlugin(plugin.Name()))
			told.PreFilter = &refused
			return told, nil
		}
	}
	nodes, err := s.snapshot.NodeInfos().List()
	if err != nil {
		return nil, err
	}
	if len(nodes) == 0 {
		told.Message = "no nodes available to schedule pods"
		return told, nil
	}
	state := framework.NewCycleState()
	diagnosis := framework.Diagnosis{NodeToStatus: framework.NewDefaultNodeToStatus()}
	narrowed, status, by := s.framework.RunPreFilterPlugins(ctx, state, asked.Pod)
	told.Skipped["filter"] = sets.List(state.GetSkipFilterPlugins())
	if !status.IsSuccess() {
		refused := said(status)
		if refused.Plugin == "" {
			refused.Plugin = strings.Join(sets.List(by), " ")
		}
		told.PreFilter = &refused
		if !status.IsRejected() {
			told.Message = status.AsError().Error()
			return told, nil
		}
		diagnosis.NodeToStatus.SetAbsentNodesStatus(status)
		diagnosis.PreFilterMsg = status.Message()
		return told, s.nothingFits(ctx, told, asked.Pod, state, &diagnosis, len(nodes))
	}
	if !narrowed.AllNodes() {
		told.PreFilterNodes = sets.List(narrowed.NodeNames)
		diagnosis.NodeToStatus.SetAbsentNodesStatus(fwk.NewStatus(
			fwk.UnschedulableAndUnresolvable, fmt.Sprintf("node(s) didn't satisfy plugin(s) %v", sets.List(by))))
	}
	feasible, failed := s.filter(ctx, told, asked.Pod, state, &diagnosis, nodes, narrowed, by)
	if failed != nil { // upstream gives up on the cycle, whatever other nodes say
		if told.ScoreError = failed.Error(); len(feasible) == 0 {
			told.Message, told.ScoreError = told.ScoreError, ""
		}
		return told, nil
	}
	if len(feasible) == 0 {
		return told, s.nothingFits(ctx, told, asked.Pod, state, &diagnosis, len(nodes))
	}
	if told.Allocations, err = s.allocations(ctx, asked.Pod, state, told.Feasible); err != nil {
		return nil, err
	}
	if len(feasible) > 1 {
		s.score(ctx, told, asked.Pod, state, feasible)
	} else {
		told.Best = told.Feasible
	}
	if nominated := asked.Pod.Status.NominatedNodeName; slices.Contains(told.Feasible, nominated) {
		told.Best, told.ScoreError = []string{nominated}, "" // upstream looks at no other node then, and scores none
	}
	return told, nil
}

// filter asks about every node: all filters in order with nominated pods, and each alone without. A node that PreFilter
// left out is not asked in order; alone it is.
func (s *scheduler) filter(
	ctx context.Context, told *Answer, pod *v1.Pod, state fwk.CycleState, diagnosis *framework.Diagnosis,
	nodes []fwk.NodeInfo, narrowed *fwk.PreFilterResult, by sets.Set[string],
) ([]fwk.NodeInfo, error) {
	told.Nodes, told.Plugins = map[string]Said{}, map[string]map[string]Said{}
	var feasible []fwk.NodeInfo
	var failed error
	for _, node := range nodes {
		name := node.Node().Name
		for _, plugin := range s.filters {
			if state.GetSkipFilterPlugins().Has(plugin.Name()) {
				continue
			}
			if status := plugin.Filter(ctx, state, pod, node); !status.IsSuccess() {
				if told.Plugins[name] == nil {
					told.Plugins[name] = map[string]Said{}
				}
				told.Plugins[name][plugin.Name()] = said(status)
			}
		}
		if !narrowed.AllNodes() && !narrowed.NodeNames.Has(name) {
			left := said(diagnosis.NodeToStatus.AbsentNodesStatus())
			left.Plugin = strings.Join(sets.List(by), " ")
			told.Nodes[name] = left
			continue
		}
		status := s.framework.RunFilterPluginsWithNominatedPods(ctx, state, pod, node)
		told.Nodes[name] = said(status)
		switch {
		case status.IsSuccess():
			feasible = append(feasible, node)
			told.Feasible = append(told.Feasible, name)
		case status.Code() == fwk.Error:
			failed = errors.Join(failed, status.AsError())
		default:
			diagnosis.NodeToStatus.Set(name, status)
		}
	}
	sort.Strings(told.Feasible)
	return feasible, failed
}

func (s *scheduler) score(
	ctx context.Context, told *Answer, pod *v1.Pod, state fwk.CycleState, feasible []fwk.NodeInfo,
) {
	if status := s.framework.RunPreScorePlugins(ctx, state, pod, feasible); !status.IsSuccess() {
		told.ScoreError = status.AsError().Error()
		return
	}
	told.Skipped["score"] = sets.List(state.GetSkipScorePlugins())
	found, status := s.framework.RunScorePlugins(ctx, state, pod, feasible)
	if !status.IsSuccess() {
		told.ScoreError = status.AsError().Error()
		return
	}
	told.Raw, told.Scores = map[string]map[string]int64{}, map[string]map[string]int64{}
	told.Totals = map[string]int64{}
	most := found[0].TotalScore
	for _, node := range found {
		put(told.Raw, node.Name, node.RawScores)
		put(told.Scores, node.Name, node.Scores)
		told.Totals[node.Name] = node.TotalScore
		most = max(most, node.TotalScore)
	}
	for _, name := range told.Feasible {
		if told.Totals[name] == most {
			told.Best = append(told.Best, name)
		}
	}
}

func put(into map[string]map[string]int64, node string, scores []fwk.PluginScore) {
	for _, score := range scores {
		if into[score.Name] == nil {
			into[score.Name] = map[string]int64{}
		}
		into[score.Name][node] = score.Score
	}
}
