package main

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	resourceslicetracker "k8s.io/dynamic-resource-allocation/resourceslice/tracker"
	"k8s.io/klog/v2"
	schedulerapi "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	configv1 "k8s.io/kubernetes/pkg/scheduler/apis/config/v1"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/validation"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/profile"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"
)

// Validated is what kube-scheduler makes of a configuration file: an error, or what it would run with.
type Validated struct {
	Error          string             `json:"error,omitempty"`
	Profiles       []EffectiveProfile `json:"profiles,omitempty"`
	InitialBackoff int64              `json:"podInitialBackoffSeconds"`
	MaxBackoff     int64              `json:"podMaxBackoffSeconds"`
	LeaderElect    bool               `json:"leaderElect"`
	LeaseSeconds   [3]float64         `json:"leaseSeconds"` // duration, renew deadline, retry period
}

// EffectiveProfile is one profile with everything expanded.
type EffectiveProfile struct {
	SchedulerName string                     `json:"schedulerName"`
	Points        map[string][]string        `json:"points"`
	Weights       map[string]int32           `json:"weights"` // of the score plugins
	Args          map[string]json.RawMessage `json:"args"`    // of the plugins that run
}

// validate reads a configuration, given as a JSON string of the file's text, and starts all but the scheduling.
func validate(line []byte) (told any) {
	defer func() {
		if defect := recover(); defect != nil {
			told = &Validated{Error: fmt.Sprintf("panic: %v", defect)}
		}
	}()
	var text string
	if err := json.Unmarshal(line, &text); err != nil {
		return &Validated{Error: "question: " + err.Error()}
	}
	validated, err := effective([]byte(text))
	if err != nil {
		return &Validated{Error: err.Error()}
	}
	return validated
}

func effective(text []byte) (*Validated, error) {
	obj, kind, err := scheme.Codecs.UniversalDecoder().Decode(text, nil, nil)
	if err != nil {
		return nil, err
	}
	config, ok := obj.(*schedulerapi.KubeSchedulerConfiguration)
	if !ok {
		return nil, fmt.Errorf("couldn't decode as KubeSchedulerConfiguration, got %s", kind)
	}
	config.APIVersion = kind.GroupVersion().String()
	if err := validation.ValidateKubeSchedulerConfiguration(config); err != nil {
		return nil, err
	}
	election := config.LeaderElection
	if election.LeaderElect {
		if _, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock:          &resourcelock.LeaseLock{LockConfig: resourcelock.ResourceLockConfig{Identity: "any"}},
			LeaseDuration: election.LeaseDuration.Duration,
			RenewDeadline: election.RenewDeadline.Duration,
			RetryPeriod:   election.RetryPeriod.Duration,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) {}, OnStoppedLeading: func() {},
			},
		}); err != nil {
			return nil, err
		}
	}
	told := &Validated{
		InitialBackoff: config.PodInitialBackoffSeconds,
		MaxBackoff:     config.PodMaxBackoffSeconds,
		LeaderElect:    election.LeaderElect,
		LeaseSeconds: [3]float64{
			election.LeaseDuration.Seconds(), election.RenewDeadline.Seconds(), election.RetryPeriod.Seconds(),
		},
	}
	args := map[string]map[string]json.RawMessage{}
	frameworks, err := build(config.Profiles, func(finished schedulerapi.KubeSchedulerProfile) {
		args[finished.SchedulerName] = encoded(finished.PluginConfig)
	})
	if err != nil {
		return nil, err
	}
	for _, each := range config.Profiles {
		one := EffectiveProfile{
			SchedulerName: each.SchedulerName,
			Points:        map[string][]string{},
			Weights:       map[string]int32{},
			Args:          args[each.SchedulerName],
		}
		listed := frameworks[each.SchedulerName].ListPlugins()
		for point, set := range map[string]schedulerapi.PluginSet{
			"preEnqueue": listed.PreEnqueue, "queueSort": listed.QueueSort, "preFilter": listed.PreFilter,
			"filter": listed.Filter, "postFilter": listed.PostFilter, "preScore": listed.PreScore,
			"score": listed.Score, "reserve": listed.Reserve, "permit": listed.Permit, "preBind": listed.PreBind,
			"bind": listed.Bind, "postBind": listed.PostBind, "placementGenerate": listed.PlacementGenerate,
			"placementScore": listed.PlacementScore, "podGroupPostFilter": listed.PodGroupPostFilter,
		} {
			for _, plugin := range set.Enabled {
				one.Points[point] = append(one.Points[point], plugin.Name)
				if point == "score" {
					one.Weights[plugin.Name] = plugin.Weight
				}
			}
		}
		told.Profiles = append(told.Profiles, one)
	}
	return told, nil
}

// build makes the frameworks of all profiles over an empty cluster, as upstream's scheduler.New does.
func build(profiles []schedulerapi.KubeSchedulerProfile, capture frameworkruntime.CaptureProfile) (profile.Map, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	factory, snapshot := factoryOf(&Question{}, nil), internalcache.NewEmptySnapshot()
	claims := assumecache.NewAssumeCache(
		klog.FromContext(ctx), factory.Resource().V1().ResourceClaims().Informer(), "ResourceClaim", "", nil)
	slices, err := resourceslicetracker.StartTracker(ctx, resourceslicetracker.Options{
		EnableDeviceTaintRules: true,
		SliceInformer:          factory.Resource().V1().ResourceSlices(),
		TaintInformer:          factory.Resource().V1().DeviceTaintRules(),
	})
	if err != nil {
		return nil, err
	}
	return profile.NewMap(ctx, profiles, plugins.NewInTreeRegistry(),
		func(string) events.EventRecorderLogger { return nil },
		frameworkruntime.WithComponentConfigVersion("kubescheduler.config.k8s.io/v1"),
		frameworkruntime.WithInformerFactory(factory),
		frameworkruntime.WithSharedDRAManager(dynamicresources.NewDRAManager(ctx, claims, slices, factory)),
		frameworkruntime.WithSnapshotSharedLister(snapshot),
		frameworkruntime.WithMutableSnapshotLister(snapshot),
		frameworkruntime.WithCaptureProfile(capture),
		frameworkruntime.WithWaitingPods(frameworkruntime.NewWaitingPodsMap()),
		frameworkruntime.WithPodsInPreBind(frameworkruntime.NewPodsInPreBindMap()),
		frameworkruntime.WithSharedCSIManager(nodevolumelimits.NewCSIManager(factory.Storage().V1().CSINodes().Lister())),
		frameworkruntime.WithPodGroupManager(internalcache.New(ctx, nil, false, false)),
	)
}

// encoded has the arguments in the words of the file.
func encoded(configs []schedulerapi.PluginConfig) map[string]json.RawMessage {
	found := map[string]json.RawMessage{}
	for _, each := range configs {
		if _, isUnknown := each.Args.(*runtime.Unknown); isUnknown || each.Args == nil {
			continue
		}
		external, err := configv1.GetPluginArgConversionScheme().ConvertToVersion(each.Args, configv1.SchemeGroupVersion)
		if err != nil {
			panic(err)
		}
		text, err := json.Marshal(external)
		if err != nil {
			panic(err)
		}
		found[each.Name] = text
	}
	return found
}
