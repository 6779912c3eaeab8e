package main

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	resourcev1 "k8s.io/api/resource/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// object is what every kind of the API is.
type object interface {
	metav1.Object
	runtime.Object
}

// fixed is an informer that knows all it will ever know: handlers hear of every object at once, on the caller's
// goroutine. Nothing is started or waited for, so that a question takes microseconds and always the same course.
type fixed struct {
	cache.SharedIndexInformer // what nobody calls; a call would panic, and the question be answered with a fault
	indexer                   *ordered
}

// ordered lists objects in the order of the question, where upstream's own indexer has the random order of a map:
// what upstream makes depend on the lister's order (budgets for disruption) depends on the question's here.
type ordered struct {
	cache.Indexer
	objects []any
}

func (o *ordered) List() []any { return o.objects }

func (o *ordered) ByIndex(name, value string) ([]any, error) {
	found, err := o.Indexer.ByIndex(name, value)
	if err != nil || len(found) < 2 {
		return found, err
	}
	among := make(map[any]bool, len(found))
	for _, obj := range found {
		among[obj] = true
	}
	inOrder := make([]any, 0, len(found))
	for _, obj := range o.objects {
		if among[obj] {
			inOrder = append(inOrder, obj)
		}
	}
	return inOrder, nil
}

func (f *fixed) GetIndexer() cache.Indexer                      { return f.indexer }
func (f *fixed) GetStore() cache.Store                          { return f.indexer }
func (f *fixed) AddIndexers(indexers cache.Indexers) error      { return f.indexer.AddIndexers(indexers) }
func (f *fixed) HasSynced() bool                                { return true }
func (f *fixed) HasSyncedChecker() cache.DoneChecker            { return synced{} }
func (f *fixed) SetTransform(handler cache.TransformFunc) error { return nil }

func (f *fixed) AddEventHandler(handler cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	for _, obj := range f.indexer.objects {
		handler.OnAdd(obj, true)
	}
	return synced{}, nil
}

func (f *fixed) AddEventHandlerWithResyncPeriod(
	handler cache.ResourceEventHandler, _ time.Duration,
) (cache.ResourceEventHandlerRegistration, error) {
	return f.AddEventHandler(handler)
}

func (f *fixed) AddEventHandlerWithOptions(
	handler cache.ResourceEventHandler, _ cache.HandlerOptions,
) (cache.ResourceEventHandlerRegistration, error) {
	return f.AddEventHandler(handler)
}

func (f *fixed) RemoveEventHandler(cache.ResourceEventHandlerRegistration) error { return nil }

// synced is a registration, and what one waits for, that is done from the start.
type synced struct{}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (synced) Name() string                        { return "fixed" }
func (synced) Done() <-chan struct{}               { return closed }
func (synced) HasSynced() bool                     { return true }
func (synced) HasSyncedChecker() cache.DoneChecker { return synced{} }

func hold[T object](factory informers.SharedInformerFactory, kind T, objects []T) {
	factory.InformerFor(kind, func(clientset.Interface, time.Duration) cache.SharedIndexInformer {
		indexer := &ordered{
			Indexer: cache.NewIndexer(
				cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}),
			objects: make([]any, len(objects)),
		}
		for i, obj := range objects {
			indexer.objects[i] = obj
			indexer.Indexer.Add(obj) // it has a key: name and namespace can always be read
		}
		return &fixed{indexer: indexer}
	})
}

// factoryOf gives the question's objects to everything that upstream lists or watches.
func factoryOf(asked *Question, pods []*v1.Pod) informers.SharedInformerFactory {
	factory := informers.NewSharedInformerFactory(nil, 0)
	hold(factory, &v1.Pod{}, pods)
	hold(factory, &v1.Node{}, asked.Nodes)
	hold(factory, &v1.Namespace{}, asked.Namespaces)
	hold(factory, &v1.Service{}, asked.Services)
	hold(factory, &v1.ReplicationController{}, asked.ReplicationControllers)
	hold(factory, &appsv1.ReplicaSet{}, asked.ReplicaSets)
	hold(factory, &appsv1.StatefulSet{}, asked.StatefulSets)
	hold(factory, &v1.PersistentVolumeClaim{}, asked.PVCs)
	hold(factory, &v1.PersistentVolume{}, asked.PVs)
	hold(factory, &storagev1.StorageClass{}, asked.StorageClasses)
	hold(factory, &storagev1.CSINode{}, asked.CSINodes)
	hold(factory, &storagev1.CSIDriver{}, asked.CSIDrivers)
	hold(factory, &storagev1.CSIStorageCapacity{}, asked.CSIStorageCapacities)
	hold(factory, &storagev1.VolumeAttachment{}, asked.VolumeAttachments)
	hold(factory, &policyv1.PodDisruptionBudget{}, asked.PDBs)
	hold(factory, &resourcev1.DeviceClass{}, asked.DeviceClasses)
	hold(factory, &resourcev1.ResourceClaim{}, asked.ResourceClaims)
	hold(factory, &resourcev1.ResourceSlice{}, asked.ResourceSlices)
	hold(factory, &resourcev1.DeviceTaintRule{}, asked.DeviceTaintRules)
	return factory
}
