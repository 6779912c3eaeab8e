package main

import (
	"context"
	"errors"
	"fmt"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/dynamic-resource-allocation/deviceclass/extendedresourcecache"
	resourceslicetracker "k8s.io/dynamic-resource-allocation/resourceslice/tracker"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerapi "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/validation"
	internalcache "k8s.io/kubernetes/pkg/scheduler/backend/cache"
	internalqueue "k8s.io/kubernetes/pkg/scheduler/backend/queue"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/dynamicresources"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
	frameworkruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/util/assumecache"
)

var defaultConfig = []byte(`{"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration"}`)

// scheduler is upstream's framework over the question's cluster.
type scheduler struct {
	framework framework.Framework
	snapshot  *internalcache.Snapshot
	devices   *allocating
	plugins   map[string]fwk.Plugin
	filters   []fwk.FilterPlugin // in the order in which they are asked
	place     map[string]int     // of each node in the question
}

// newScheduler wires what upstream's scheduler.New wires, with informers that hold the question's objects.
func newScheduler(ctx context.Context, asked *Question) (*scheduler, error) {
	profile, err := profileOf(asked.Config)
	if err != nil {
		return nil, err
	}
	logger := klog.FromContext(ctx)
	watched := make([]*v1.Pod, 0, len(asked.Pods)+1)
	for _, pod := range append(asked.Pods, asked.Pod) {
		if pod.Status.Phase != v1.PodSucceeded && pod.Status.Phase != v1.PodFailed { // the field selector of its informer
			watched = append(watched, pod)
		}
	}
	factory := factoryOf(asked, watched)

	claims := assumecache.NewAssumeCache(logger, factory.Resource().V1().ResourceClaims().Informer(), "ResourceClaim", "", nil)
	slices, err := resourceslicetracker.StartTracker(ctx, resourceslicetracker.Options{
		EnableDeviceTaintRules:   true,
		EnableConsumableCapacity: true,
		SliceInformer:            factory.Resource().V1().ResourceSlices(),
		TaintInformer:            factory.Resource().V1().DeviceTaintRules(),
	})
	if err != nil {
		return nil, err
	}
	devices := &allocating{SharedDRAManager: dynamicresources.NewDRAManager(ctx, claims, slices, factory)}
	extended := devices.DeviceClassResolver().(*extendedresourcecache.ExtendedResourceCache)
	if _, err := factory.Resource().V1().DeviceClasses().Informer().AddEventHandler(extended); err != nil {
		return nil, err
	}

	cache, snapshot := internalcache.New(ctx, nil, false, false), internalcache.NewEmptySnapshot()
	for _, node := range asked.Nodes {
		cache.AddNode(logger, node)
	}
	for _, pod := range watched {
		if pod.Spec.NodeName != "" && pod.UID != asked.Pod.UID {
			if err := cache.AddPod(logger, pod); err != nil {
				return nil, err
			}
		}
	}
	if err := cache.UpdateSnapshot(logger, snapshot); err != nil {
		return nil, err
	}

	made := &scheduler{snapshot: snapshot, devices: devices, plugins: map[string]fwk.Plugin{}, place: map[string]int{}}
	for place, node := range asked.Nodes {
		made.place[node.Name] = place
	}
	registry := frameworkruntime.Registry{}
	for name, factory := range plugins.NewInTreeRegistry() {
		registry[name] = func(ctx context.Context, args runtime.Object, handle fwk.Handle) (fwk.Plugin, error) {
			plugin, err := factory(ctx, args, handle)
			made.plugins[name] = plugin
			return plugin, err
		}
	}
	made.framework, err = frameworkruntime.NewFramework(ctx, registry, profile,
		frameworkruntime.WithComponentConfigVersion("kubescheduler.config.k8s.io/v1"),
		frameworkruntime.WithInformerFactory(factory),
		frameworkruntime.WithSharedDRAManager(devices),
		frameworkruntime.WithSnapshotSharedLister(snapshot),
		frameworkruntime.WithMutableSnapshotLister(snapshot),
		frameworkruntime.WithParallelism(1), // the same course every time
		frameworkruntime.WithWaitingPods(frameworkruntime.NewWaitingPodsMap()),
		frameworkruntime.WithPodsInPreBind(frameworkruntime.NewPodsInPreBindMap()),
		frameworkruntime.WithSharedCSIManager(nodevolumelimits.NewCSIManager(factory.Storage().V1().CSINodes().Lister())),
		frameworkruntime.WithPodGroupManager(cache),
	)
	if err != nil {
		return nil, err
	}
	for _, enabled := range made.framework.ListPlugins().Filter.Enabled {
		made.filters = append(made.filters, made.plugins[enabled.Name].(fwk.FilterPlugin))
	}
	queue := internalqueue.NewSchedulingQueue(made.framework.QueueSortFunc(), factory)
	for _, pod := range watched { // it keeps who is nominated where
		if pod.Spec.NodeName == "" && pod.Status.NominatedNodeName != "" && pod.UID != asked.Pod.UID {
			queue.Add(ctx, pod)
		}
	}
	made.framework.SetPodNominator(queue)
	return made, nil
}

// profileOf reads a configuration as kube-scheduler's --config does: strictly, with defaults, validated.
func profileOf(given []byte) (*schedulerapi.KubeSchedulerProfile, error) {
	if len(given) == 0 || string(given) == "null" {
		given = defaultConfig
	}
	obj, kind, err := scheme.Codecs.UniversalDecoder().Decode(given, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	config, ok := obj.(*schedulerapi.KubeSchedulerConfiguration)
	if !ok {
		return nil, fmt.Errorf("config: couldn't decode as KubeSchedulerConfiguration, got %s", kind)
	}
	config.APIVersion = kind.GroupVersion().String()
	if err := validation.ValidateKubeSchedulerConfiguration(config); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if len(config.Profiles) == 0 {
		return nil, errors.New("config: no profile")
	}
	return &config.Profiles[0], nil
}
