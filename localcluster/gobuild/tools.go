//go:build tools

// Package gobuild names the commands that a local cluster is built from, so that `go mod tidy` keeps their
// dependencies in go.mod and go.sum. It is never compiled.
package gobuild

import (
	_ "go.etcd.io/etcd/server/v3/etcdmain"
	_ "k8s.io/kubernetes/cmd/kube-apiserver/app"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	_ "k8s.io/kubernetes/cmd/kube-scheduler/app"
	_ "k8s.io/kubernetes/cmd/kubectl"
)
