package main

// The provisioner of the storage class `local-path`: a directory for each claim, handed out as a `local` volume on the
// node the scheduler chose, and removed with the claim. Plain client-go on purpose: the usual library for provisioners
// would raise some sixty modules that Kubernetes itself pins.

import (
	"context"
	"flag"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

const (
	provisionerName = "railrun.test/local-path"
	provisionedBy   = "pv.kubernetes.io/provisioned-by"
	provisioner     = "volume.kubernetes.io/storage-provisioner"
	selectedNode    = "volume.kubernetes.io/selected-node"
)

type localPaths struct {
	client    kubernetes.Interface
	informers informers.SharedInformerFactory
	dir       string
}

func provisionLocalPaths() {
	flags := flag.NewFlagSet("local-path", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how to reach the cluster")
	dir := flags.String("dir", "", "where the volumes are made")
	flags.Parse(os.Args[1:]) // nolint:errcheck

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.Fatal(err)
	}
	config.QPS, config.Burst = 50, 100

	p := &localPaths{client: kubernetes.NewForConfigOrDie(config), dir: filepath.Clean(*dir)}
	p.informers = informers.NewSharedInformerFactory(p.client, 15*time.Second)
	p.informers.Storage().V1().StorageClasses().Informer()
	watch(ctx, p.informers.Core().V1().PersistentVolumeClaims().Informer(), p.provision)
	watch(ctx, p.informers.Core().V1().PersistentVolumes().Informer(), p.remove)
	p.informers.Start(ctx.Done())
	<-ctx.Done()
}

// watch calls act with the key of every object the informer speaks of, again with growing pauses while it fails.
func watch(ctx context.Context, informer cache.SharedIndexInformer, act func(context.Context, string) error) {
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]())
	add := func(object any) {
		if key, err := cache.DeletionHandlingMetaNamespaceKeyFunc(object); err == nil {
			queue.Add(key)
		}
	}
	informer.AddEventHandler(cache.ResourceEventHandlerFuncs{ // nolint:errcheck
		AddFunc:    add,
		UpdateFunc: func(_, object any) { add(object) },
	})
	go func() { <-ctx.Done(); queue.ShutDown() }()
	for range 2 {
		go func() {
			for {
				key, ended := queue.Get()
				if ended {
					return
				}
				if err := act(ctx, key); err != nil {
					klog.ErrorS(err, "will be tried again", "key", key)
					queue.AddRateLimited(key)
				} else {
					queue.Forget(key)
				}
				queue.Done(key)
			}
		}()
	}
}

func (p *localPaths) provision(ctx context.Context, key string) error {
	namespace, name, err := cache.SplitMetaNamespaceKey(key)
	if err != nil {
		return err
	}
	claim, err := p.informers.Core().V1().PersistentVolumeClaims().Lister().PersistentVolumeClaims(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	node := claim.Annotations[selectedNode] // set by the scheduler once a pod wants the claim
	if claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil || claim.Annotations[provisioner] != provisionerName ||
		node == "" || claim.Spec.StorageClassName == nil {
		return nil
	}
	class, err := p.informers.Storage().V1().StorageClasses().Lister().Get(*claim.Spec.StorageClassName)
	if err != nil {
		return err
	}
	volume := p.volume(claim, class.Name, class.ReclaimPolicy, node)
	path := volume.Spec.Local.Path
	if err := os.MkdirAll(path, 0o777); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o777); err != nil { // whatever the umask
		return err
	}
	_, err = p.client.CoreV1().PersistentVolumes().Create(ctx, volume, meta.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	if err == nil {
		klog.InfoS("provisioned", "claim", key, "volume", volume.Name)
	}
	return err
}

func (p *localPaths) volume(
	claim *core.PersistentVolumeClaim, class string, policy *core.PersistentVolumeReclaimPolicy, node string,
) *core.PersistentVolume {
	reclaim := core.PersistentVolumeReclaimDelete
	if policy != nil {
		reclaim = *policy
	}
	name := "pvc-" + string(claim.UID)
	onNode := core.NodeSelectorRequirement{Key: core.LabelHostname, Operator: core.NodeSelectorOpIn, Values: []string{node}}
	return &core.PersistentVolume{
		ObjectMeta: meta.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: provisionerName}},
		Spec: core.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: reclaim,
			StorageClassName:              class,
			AccessModes:                   claim.Spec.AccessModes,
			Capacity:                      core.ResourceList{core.ResourceStorage: claim.Spec.Resources.Requests[core.ResourceStorage]},
			PersistentVolumeSource: core.PersistentVolumeSource{
				Local: &core.LocalVolumeSource{Path: filepath.Join(p.dir, name)},
			},
			ClaimRef: &core.ObjectReference{
				Kind: "PersistentVolumeClaim", APIVersion: "v1",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID, ResourceVersion: claim.ResourceVersion,
			},
			NodeAffinity: &core.VolumeNodeAffinity{Required: &core.NodeSelector{
				NodeSelectorTerms: []core.NodeSelectorTerm{{MatchExpressions: []core.NodeSelectorRequirement{onNode}}},
			}},
		},
	}
}

func (p *localPaths) remove(ctx context.Context, name string) error {
	volume, err := p.informers.Core().V1().PersistentVolumes().Lister().Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if volume.Annotations[provisionedBy] != provisionerName || volume.Status.Phase != core.VolumeReleased ||
		volume.Spec.PersistentVolumeReclaimPolicy != core.PersistentVolumeReclaimDelete ||
		volume.Spec.Local == nil || filepath.Dir(volume.Spec.Local.Path) != p.dir {
		return nil
	}
	if err := os.RemoveAll(volume.Spec.Local.Path); err != nil {
		return err
	}
	err = p.client.CoreV1().PersistentVolumes().Delete(ctx, name, meta.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err == nil {
		klog.InfoS("removed", "volume", name)
	}
	return err
}
