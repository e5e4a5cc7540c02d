package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kwok "sigs.k8s.io/karpenter/kwok/cloudprovider"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/scheduling"
)

// market is Karpenter's kwok cloud with weather: what can be bought, for how much and how fast follows Rules.
type market struct {
	*kwok.CloudProvider
	reader   client.Reader
	machines []*cloudprovider.InstanceType
}

func newMarket(ctx context.Context, c client.Client, machines []*cloudprovider.InstanceType) *market {
	capacity := make(map[string]corev1.ResourceList, len(machines))
	for _, machine := range machines {
		capacity[machine.Name] = machine.Capacity
	}
	factory := &bootingClient{Client: c, capacity: capacity}
	return &market{CloudProvider: kwok.NewCloudProvider(ctx, factory, machines), reader: c, machines: machines}
}

// GetInstanceTypes returns the machines with availability and prices of the moment.
func (m *market) GetInstanceTypes(ctx context.Context, _ *v1.NodePool) ([]*cloudprovider.InstanceType, error) {
	rules, err := readRules(ctx, m.reader)
	if err != nil {
		return nil, err
	}
	machines := make([]*cloudprovider.InstanceType, 0, len(m.machines))
	for _, machine := range m.machines {
		machines = append(machines, underRules(machine, rules))
	}
	return machines, nil
}

// Create buys the cheapest place that the claim admits, or says why there is none.
func (m *market) Create(ctx context.Context, claim *v1.NodeClaim) (*v1.NodeClaim, error) {
	rules, err := readRules(ctx, m.reader)
	if err != nil {
		return nil, err
	}
	wanted := scheduling.NewNodeSelectorRequirementsWithMinValues(claim.Spec.Requirements...)
	var best *Place
	var bestPrice float64
	var refused []string
	for _, machine := range m.machines {
		if !wanted.Get(corev1.LabelInstanceTypeStable).Has(machine.Name) {
			continue
		}
		for _, offering := range underRules(machine, rules).Offerings.Available().Compatible(wanted) {
			place := offeredAt(machine, offering)
			if place.matchesAny(rules.Refused) {
				refused = append(refused, place.String())
				continue
			}
			if best == nil || offering.Price < bestPrice {
				best, bestPrice = &place, offering.Price
			}
		}
	}
	if best == nil {
		return nil, cloudprovider.NewInsufficientCapacityError(fmt.Errorf("no capacity at any of the places asked for, refused: %v", refused))
	}
	return m.CloudProvider.Create(ctx, pinned(claim, *best))
}

// underRules is the machine with withdrawn offerings marked and prices replaced. Karpenter keeps what it is given, so it gets a copy.
func underRules(machine *cloudprovider.InstanceType, rules Rules) *cloudprovider.InstanceType {
	offerings := make(cloudprovider.Offerings, 0, len(machine.Offerings))
	for _, offering := range machine.Offerings {
		place := offeredAt(machine, offering)
		price, replaced := rules.UsdPerHour[place.String()]
		if !replaced {
			price = offering.Price
		}
		offerings = append(offerings, &cloudprovider.Offering{
			Requirements:        offering.Requirements,
			ReservationCapacity: offering.ReservationCapacity,
			Price:               price,
			Available:           offering.Available && !place.matchesAny(rules.Withdrawn),
		})
	}
	return &cloudprovider.InstanceType{
		Name:         machine.Name,
		Requirements: machine.Requirements,
		Offerings:    offerings,
		Capacity:     machine.Capacity,
		Overhead:     machine.Overhead,
	}
}

func offeredAt(machine *cloudprovider.InstanceType, offering *cloudprovider.Offering) Place {
	return Place{
		Machine: machine.Name,
		Market:  offering.Requirements.Get(v1.CapacityTypeLabelKey).Any(),
		Zone:    offering.Requirements.Get(corev1.LabelTopologyZone).Any(),
	}
}

// pinned is the claim narrowed to one place: the kwok provider knows nothing of rules and would choose again.
func pinned(claim *v1.NodeClaim, place Place) *v1.NodeClaim {
	narrowed := claim.DeepCopy()
	chosen := map[string]string{
		corev1.LabelInstanceTypeStable: place.Machine,
		v1.CapacityTypeLabelKey:        place.Market,
		corev1.LabelTopologyZone:       place.Zone,
	}
	requirements := make([]v1.NodeSelectorRequirementWithMinValues, 0, len(claim.Spec.Requirements)+len(chosen))
	for _, requirement := range claim.Spec.Requirements {
		if _, replaced := chosen[requirement.Key]; !replaced {
			requirements = append(requirements, requirement)
		}
	}
	for key, value := range chosen {
		requirements = append(requirements, v1.NodeSelectorRequirementWithMinValues{
			Key: key, Operator: corev1.NodeSelectorOpIn, Values: []string{value},
		})
	}
	narrowed.Spec.Requirements = requirements
	return narrowed
}

// bootingClient is the client of the kwok provider, which creates a node and nothing else: here the node takes its time.
type bootingClient struct {
	client.Client
	capacity map[string]corev1.ResourceList
	boots    atomic.Int64
}

func (b *bootingClient) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	node, isNode := object.(*corev1.Node)
	if !isNode {
		return b.Client.Create(ctx, object, options...)
	}
	rules, err := readRules(ctx, b.Client)
	if err != nil {
		return err
	}
	if n := len(rules.BootSeconds); n > 0 {
		drawn := rules.BootSeconds[int(b.boots.Add(1)-1)%n]
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(drawn * float64(time.Second))):
		}
	}
	node.Status.Capacity = withAll(node.Status.Capacity, b.capacity[node.Labels[corev1.LabelInstanceTypeStable]])
	return b.Client.Create(ctx, node, options...)
}

// withAll is what the machine has: the provider reports only what the first pods asked for.
func withAll(reported, machine corev1.ResourceList) corev1.ResourceList {
	all := make(corev1.ResourceList, len(reported)+len(machine))
	for name, quantity := range reported {
		all[name] = quantity
	}
	for name, quantity := range machine {
		all[name] = quantity
	}
	if _, counted := all[corev1.ResourcePods]; !counted {
		all[corev1.ResourcePods] = resource.MustParse("110")
	}
	return all
}
