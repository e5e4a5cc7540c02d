package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// rulesAt is the ConfigMap that steers the market; its key rules.json holds a Rules object. No ConfigMap: no rules.
var rulesAt = types.NamespacedName{Namespace: "kube-system", Name: "devcluster-market"}

// Place is one thing that can be bought. Patterns in Rules match its text, machine/market/zone, as a shell would:
// "g6e.xlarge/spot/*", "*/*/us-east-1a".
type Place struct{ Machine, Market, Zone string }

func placeOf(labels map[string]string) Place {
	return Place{
		Machine: labels[corev1.LabelInstanceTypeStable],
		Market:  labels[v1.CapacityTypeLabelKey],
		Zone:    labels[corev1.LabelTopologyZone],
	}
}

func (p Place) String() string { return fmt.Sprintf("%s/%s/%s", p.Machine, p.Market, p.Zone) }

func (p Place) matchesAny(patterns []string) bool {
	for _, pattern := range patterns {
		if matched, _ := path.Match(pattern, p.String()); matched {
			return true
		}
	}
	return false
}

// Rules is what a test says about the cloud of the moment.
type Rules struct {
	// Withdrawn places are seen by Karpenter as not available, as after a real cloud said that it has none.
	Withdrawn []string `json:"withdrawn"`
	// Refused places look available, and buying there fails with insufficient capacity.
	Refused []string `json:"refused"`
	// BootSeconds are the times from purchase to a registered node, taken in turn; none: the node class's own delay.
	BootSeconds []float64 `json:"bootSeconds"`
	// Interrupted places lose every node they have or get, as long as the rule stands. A node's name matches too.
	Interrupted []string `json:"interrupted"`
	// NoticeSeconds pass between the notice of an interruption and the machine's end; default 120, the notice of AWS.
	NoticeSeconds *float64 `json:"noticeSeconds"`
	// UsdPerHour replaces the catalog's price, by exact place.
	UsdPerHour map[string]float64 `json:"usdPerHour"`
}

func (r Rules) notice() time.Duration {
	if r.NoticeSeconds == nil {
		return 2 * time.Minute
	}
	return time.Duration(*r.NoticeSeconds * float64(time.Second))
}

func readRules(ctx context.Context, reader client.Reader) (Rules, error) {
	var rules Rules
	var config corev1.ConfigMap
	if err := reader.Get(ctx, rulesAt, &config); err != nil {
		return rules, client.IgnoreNotFound(err)
	}
	text, present := config.Data["rules.json"]
	if !present {
		return rules, nil
	}
	if err := json.Unmarshal([]byte(text), &rules); err != nil {
		return Rules{}, fmt.Errorf("ConfigMap %s, key rules.json: %w", rulesAt, err)
	}
	for _, patterns := range [][]string{rules.Withdrawn, rules.Refused, rules.Interrupted} {
		for _, pattern := range patterns {
			if _, err := path.Match(pattern, ""); err != nil {
				return Rules{}, fmt.Errorf("ConfigMap %s, pattern %q: %w", rulesAt, pattern, err)
			}
		}
	}
	return rules, nil
}

func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	return err
}
