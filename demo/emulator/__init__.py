"""Engines behind fake pods: the simulator's replicas in real time, and the pages that vLLM would show.

The control plane of `tests/devcluster` is real; its machines and pods are objects that kwok plays, and nothing answers
at their addresses. Here the replicas that backtests run on (`wharfage_simulator.replica`) stand behind these pods: each
that a Service's EndpointSlice lists gets its equal share of a trace's requests, and each has the metrics page that
vLLM 0.32 would show. So the whole loop closes on one machine: pages, operator, scheduler, Karpenter, kwok, endpoints,
load, pages.

It lies under demo/ and not under tests/: people run it, and the tests import what people run.

**Time.** The engines' seconds run `speed` times as fast as the wall's. A page is exactly what an engine shows after so
many of its own seconds: histograms in its seconds, counters of all its requests. An operator reads it with
`time_scale` set to the same factor; then everything that it measures and decides, rates, windows, lead times, dollars
per hour, has the value it has in production. What only the API server knows is the wall's, so machines boot, models
load and spot markets give notice in a `speed`th of their time (`stages`, and the devcluster's market).

**Addresses.** One process answers for all pods. It is an HTTP proxy on loopback, and knows a pod by the address that
was asked for: the operator's setting `scrape_proxy` names it. That takes neither root nor a network namespace. Where
the pods' range is routed to this machine (`ip route add local RANGE dev lo`, in a namespace) the same server answers
direct calls as well.
"""
