"""The peers' autoscalers, as baselines: one module each, all behind `wharfage_simulator.policy.Policy`."""
