package main

import (
	"fmt"
	"os"

	kwokprovider "sigs.k8s.io/karpenter/kwok/apis"
	karpenter "sigs.k8s.io/karpenter/pkg/apis"
	kwokcrd "sigs.k8s.io/kwok/kustomize/crd"
	nodestages "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	heartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podstages "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
)

// The modules embed their own manifests, so that those applied always belong to the code that runs.
var manifests = map[string][]string{
	"kwok-crds": {string(kwokcrd.Stage)},
	"kwok-stages": {
		nodestages.DefaultNodeInit,
		heartbeat.DefaultNodeHeartbeatWithLease,
		podstages.DefaultPodReady,
		podstages.DefaultPodComplete,
		podstages.DefaultPodDelete,
	},
	"karpenter-crds": {
		string(karpenter.NodePoolCRD),
		string(karpenter.NodeClaimCRD),
		string(karpenter.NodeOverlayCRD),
		string(karpenter.CapacityBufferCRD),
		string(kwokprovider.KWOKNodeClassCRD),
	},
}

func printManifests() {
	for _, name := range os.Args[1:] {
		documents, known := manifests[name]
		if !known {
			fmt.Fprintf(os.Stderr, "manifests: no set called %q\n", name)
			os.Exit(2)
		}
		for _, document := range documents {
			fmt.Printf("---\n%s\n", document)
		}
	}
}
