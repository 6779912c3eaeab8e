//go:build tools

package main

// Programs that are built as they are, and modules of which only the manifests are used: `go mod tidy` keeps them.
import (
	_ "knative.dev/caching/config"
	_ "knative.dev/networking/config"
	_ "knative.dev/serving/cmd/webhook"
	_ "knative.dev/serving/config/core"
)
