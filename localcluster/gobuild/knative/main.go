// Command knative-controller runs the controllers of Knative Serving, all of them and as they are.
//
// Knative's own main does the same and, besides, answers health probes on port 8080 of every address, which cannot be
// changed: a second cluster on the machine would not start. Leader election is left away because there is one process,
// which then need not wait for the lease of a killed predecessor.
package main

import (
	"knative.dev/pkg/injection"
	"knative.dev/pkg/injection/sharedmain"
	"knative.dev/pkg/signals"
	"knative.dev/serving/pkg/reconciler/configuration"
	"knative.dev/serving/pkg/reconciler/domainmapping"
	"knative.dev/serving/pkg/reconciler/gc"
	"knative.dev/serving/pkg/reconciler/labeler"
	"knative.dev/serving/pkg/reconciler/nscert"
	"knative.dev/serving/pkg/reconciler/revision"
	"knative.dev/serving/pkg/reconciler/route"
	"knative.dev/serving/pkg/reconciler/serverlessservice"
	"knative.dev/serving/pkg/reconciler/service"
)

func main() {
	ctx := sharedmain.WithHADisabled(sharedmain.WithHealthProbesDisabled(signals.NewContext()))
	sharedmain.MainWithConfig(ctx, "controller", injection.ParseAndGetRESTConfigOrDie(),
		service.NewController,
		configuration.NewController,
		revision.NewController,
		route.NewController,
		labeler.NewController,
		serverlessservice.NewController,
		domainmapping.NewController,
		nscert.NewController,
		gc.NewController,
	)
}
