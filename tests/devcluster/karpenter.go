package main

import (
	"os"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/log"
	kwok "sigs.k8s.io/karpenter/kwok/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/cloudprovider/overlay"
	"sigs.k8s.io/karpenter/pkg/controllers"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/operator"
)

// runKarpenter is Karpenter's own kwok main with a market between it and its cloud.
func runKarpenter() {
	ctx, op := operator.NewOperator()
	machines, err := kwok.ConstructInstanceTypes(ctx)
	if err != nil {
		log.FromContext(ctx).Error(err, "reading the instance types")
		os.Exit(1)
	}
	market := newMarket(ctx, op.GetClient(), machines)
	provider := overlay.Decorate(market, op.GetClient(), op.InstanceTypeStore)
	cluster := state.NewCluster(op.Clock, op.GetClient(), provider)
	if err := op.Add(&interrupter{client: op.GetClient(), clock: clock.RealClock{}}); err != nil {
		log.FromContext(ctx).Error(err, "adding the spot interrupter")
		os.Exit(1)
	}
	op.WithControllers(ctx, controllers.NewControllers(
		ctx, op.Manager, op.Clock, op.GetClient(), op.EventRecorder, provider, market, cluster, op.InstanceTypeStore,
	)...).Start(ctx)
}
