package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	upstream "k8s.io/kubernetes/pkg/scheduler"
	schedulerapi "k8s.io/kubernetes/pkg/scheduler/apis/config"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	kjson "sigs.k8s.io/json"
)

// Trial is a cluster and pods to be scheduled in it, one after the other, by schedulers that are set differently.
type Trial struct {
	Question
	Pending  []*v1.Pod `json:"pending"`
	Settings []Setting `json:"settings"`
}

// Setting is what makes one scheduler of a trial differ from another.
type Setting struct {
	Parallelism              int32 `json:"parallelism"`
	PercentageOfNodesToScore int32 `json:"percentageOfNodesToScore"`
}

// Turn asks one of the schedulers to take the next pods of its queue whose names begin so; others before are left out.
type Turn struct {
	Setting int    `json:"setting"`
	Count   int    `json:"count"`
	Prefix  string `json:"prefix"`
}

// Taken says of each of them where it goes, and how long it took by the clock and of all cores' time.
type Taken struct {
	Fault  string   `json:"fault,omitempty"`
	Pods   []string `json:"pods,omitempty"`
	Nodes  []string `json:"nodes,omitempty"`
	WallNs []int64  `json:"wallNs,omitempty"`
	CPUNs  []int64  `json:"cpuNs,omitempty"`
}

// serveTrial reads a trial, answers once its schedulers are there, and then a line for each turn.
func serveTrial(in io.Reader, out io.Writer) error {
	reader, encoder := bufio.NewReaderSize(in, 1<<20), json.NewEncoder(out)
	line, err := reader.ReadBytes('\n')
	if err != nil {
		return err
	}
	var asked Trial
	if err := kjson.UnmarshalCaseSensitivePreserveInts(line, &asked); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var timed []*timedScheduler
	for _, setting := range asked.Settings {
		made, err := newTimed(ctx, &asked, setting)
		if err != nil {
			return err
		}
		timed = append(timed, made)
	}
	if err := encoder.Encode(Taken{}); err != nil {
		return err
	}
	for {
		var turn Turn
		line, err := reader.ReadBytes('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := json.Unmarshal(line, &turn); err != nil {
			return err
		}
		told := Taken{}
		for range turn.Count {
			if err := timed[turn.Setting].takeNext(ctx, turn.Prefix, &told); err != nil {
				told.Fault = err.Error()
				break
			}
		}
		if err := encoder.Encode(told); err != nil {
			return err
		}
	}
}

// timedScheduler is kube-scheduler's own, with its default profile, over objects that never change.
type timedScheduler struct {
	scheduler *upstream.Scheduler
	snapshot  *internalcache.Snapshot
	preemptor *defaultpreemption.DefaultPreemption
}

func newTimed(ctx context.Context, asked *Trial, setting Setting) (*timedScheduler, error) {
	made := &timedScheduler{snapshot: internalcache.NewEmptySnapshot()}
	recorder := func(string) events.EventRecorderLogger { return events.NewFakeRecorder(0) }
	every := append(append([]*v1.Pod{}, asked.Pods...), asked.Pending...)
	var err error
	made.scheduler, err = upstream.New(ctx, nil, factoryOf(&asked.Question, every), nil, recorder,
		upstream.WithComponentConfigVersion("kubescheduler.config.k8s.io/v1"),
		upstream.WithParallelism(setting.Parallelism),
		upstream.WithPercentageOfNodesToScore(&setting.PercentageOfNodesToScore),
		upstream.WithNodeInfoSnapshot(made.snapshot))
	if err != nil {
		return nil, err
	}
	// The profile's own cannot be got at; this one has the same defaults.
	made.preemptor, err = defaultpreemption.New(ctx,
		&schedulerapi.DefaultPreemptionArgs{MinCandidateNodesPercentage: 10, MinCandidateNodesAbsolute: 100},
		made.scheduler.Profiles[v1.DefaultSchedulerName], feature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate))
	return made, err
}

// takeNext does what scheduleOnePod does until the pod is to be bound: the cycle and what is reserved. A preemptor takes
// the place of its victims at once, as if they had ended already.
func (t *timedScheduler) takeNext(ctx context.Context, prefix string, told *Taken) error {
	logger := klog.FromContext(ctx)
	queued, err := t.pop(logger, prefix)
	if err != nil {
		return err
	}
	pod := queued.Pod
	profile := t.scheduler.Profiles[v1.DefaultSchedulerName]
	began, spent := time.Now(), cpuTime()

	if err := t.scheduler.Cache.UpdateSnapshot(logger, t.snapshot); err != nil {
		return err
	}
	state := framework.NewCycleState()
	state.Write(framework.PodsToActivateKey, framework.NewPodsToActivate())
	result, err := t.scheduler.SchedulePod(ctx, profile, state, queued)
	node, victims := result.SuggestedHost, []*v1.Pod(nil)
	if err != nil {
		if node, victims, err = t.preempt(ctx, state, pod, err); err != nil {
			return fmt.Errorf("%s: %w", pod.Name, err)
		}
	}
	assumed := queued.DeepCopy().Pod
	assumed.Spec.NodeName = node
	if err := t.scheduler.Cache.AssumePod(logger, assumed); err != nil {
		return err
	}
	if victims == nil {
		if status := profile.RunReservePluginsReserve(ctx, state, assumed, node); !status.IsSuccess() {
			return status.AsError()
		}
	}

	told.WallNs = append(told.WallNs, time.Since(began).Nanoseconds())
	told.CPUNs = append(told.CPUNs, cpuTime()-spent)
	told.Pods, told.Nodes = append(told.Pods, pod.Name), append(told.Nodes, node)
	t.scheduler.SchedulingQueue.Done(pod.UID)
	for _, victim := range victims {
		if err := t.scheduler.Cache.RemovePod(logger, victim); err != nil {
			return err
		}
	}
	return nil
}

func (t *timedScheduler) pop(logger klog.Logger, prefix string) (*framework.QueuedPodInfo, error) {
	for {
		entity, err := t.scheduler.NextEntity(logger)
		if err != nil {
			return nil, err
		}
		queued, ok := entity.(*framework.QueuedPodInfo)
		if !ok {
			return nil, fmt.Errorf("%T is no pod", entity)
		}
		if strings.HasPrefix(queued.Pod.Name, prefix) {
			return queued, nil
		}
		t.scheduler.SchedulingQueue.Done(queued.Pod.UID)
	}
}

// preempt chooses as DefaultPreemption's evaluator does, over as many candidates as it looks at.
func (t *timedScheduler) preempt(
	ctx context.Context, state fwk.CycleState, pod *v1.Pod, failed error,
) (string, []*v1.Pod, error) {
	var unfit *framework.FitError
	if !errors.As(failed, &unfit) {
		return "", nil, failed
	}
	evaluator, statuses := t.preemptor.Evaluator, unfit.Diagnosis.NodeToStatus
	eligible, why := evaluator.PodEligibleToPreemptOthers(ctx, pod, statuses.Get(pod.Status.NominatedNodeName))
	if !eligible {
		return "", nil, errors.New(why)
	}
	hopeful, err := statuses.NodesForStatusCode(t.snapshot.NodeInfos(), fwk.Unschedulable)
	if err != nil || len(hopeful) == 0 {
		return "", nil, errors.Join(failed, err)
	}
	budgets, err := evaluator.PdbLister.List(labels.Everything())
	if err != nil {
		return "", nil, err
	}
	offset, count := evaluator.GetOffsetAndNumCandidates(int32(len(hopeful)))
	candidates, _, err := evaluator.DryRunPreemption(ctx, state, pod, hopeful, budgets, offset, count)
	if len(candidates) == 0 {
		return "", nil, errors.Join(failed, err)
	}
	chosen := evaluator.SelectCandidate(ctx, candidates)
	return chosen.Name(), chosen.Victims().Pods, nil
}

// cpuTime is what all threads of this process have taken so far, in nanoseconds.
func cpuTime() int64 {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return used.Utime.Nano() + used.Stime.Nano()
}
