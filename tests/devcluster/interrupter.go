package main

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

const endsAt = "devcluster/ends-at"

// interrupter takes spot machines back: Karpenter gets its notice and drains, then the machine is gone, drained or not.
type interrupter struct {
	client client.Client
	clock  clock.WithTicker
}

// Start looks every second until ctx ends. The state is in the cluster, so a restart forgets nothing.
func (i *interrupter) Start(ctx context.Context) error {
	ticker := i.clock.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		if err := i.look(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "interrupting spot nodes")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
	}
}

func (i *interrupter) look(ctx context.Context) error {
	rules, err := readRules(ctx, i.client)
	if err != nil {
		return err
	}
	var claims v1.NodeClaimList
	if err := i.client.List(ctx, &claims); err != nil {
		return err
	}
	var failures []error
	for n := range claims.Items {
		claim := &claims.Items[n]
		if ends, noticed := claim.Annotations[endsAt]; noticed {
			failures = append(failures, i.end(ctx, claim, ends))
		} else if hit(claim, rules) {
			failures = append(failures, i.notify(ctx, claim, rules.notice()))
		}
	}
	return errors.Join(failures...)
}

func hit(claim *v1.NodeClaim, rules Rules) bool {
	if claim.Labels[v1.CapacityTypeLabelKey] != v1.CapacityTypeSpot || claim.Status.NodeName == "" {
		return false
	}
	return slices.Contains(rules.Interrupted, claim.Status.NodeName) || placeOf(claim.Labels).matchesAny(rules.Interrupted)
}

// notify does what Karpenter's AWS provider does on a notice: it deletes the claim, which taints and drains the node.
func (i *interrupter) notify(ctx context.Context, claim *v1.NodeClaim, notice time.Duration) error {
	ends := i.clock.Now().Add(notice).UTC().Format(time.RFC3339)
	noticed := claim.DeepCopy()
	if noticed.Annotations == nil {
		noticed.Annotations = map[string]string{}
	}
	noticed.Annotations[endsAt] = ends
	noticed.Annotations[v1.NodeClaimTerminationTimestampAnnotationKey] = ends
	if err := i.client.Patch(ctx, noticed, client.MergeFrom(claim)); err != nil {
		return ignoreGone(err)
	}
	log.FromContext(ctx).Info("spot interruption", "node", claim.Status.NodeName, "ends", ends)
	return ignoreGone(i.client.Delete(ctx, noticed))
}

// end removes the pods of a machine whose time is over, as its disappearance would; Karpenter then removes the node.
func (i *interrupter) end(ctx context.Context, claim *v1.NodeClaim, ends string) error {
	deadline, err := time.Parse(time.RFC3339, ends)
	if err != nil {
		return err
	}
	if i.clock.Now().Before(deadline) {
		return nil
	}
	var pods corev1.PodList
	if err := i.client.List(ctx, &pods); err != nil {
		return err
	}
	var failures []error
	for n := range pods.Items {
		if pods.Items[n].Spec.NodeName == claim.Status.NodeName {
			failures = append(failures, ignoreGone(i.client.Delete(ctx, &pods.Items[n], client.GracePeriodSeconds(0))))
		}
	}
	return errors.Join(failures...)
}
