"""The operator's process: wires the parts, runs them, and takes them down in the order that loses nothing."""

import asyncio
import contextlib
import gc
import logging
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Any

import uvloop
from kubernetes.aio.config import ConfigException
from wharfage_autoscaler.allotment import Allotment
from wharfage_autoscaler.counting import Counters
from wharfage_autoscaler.experience import Experience
from wharfage_autoscaler.law import Law
from wharfage_autoscaler.load import Load
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.snapshot import ClusterSnapshot

from wharfage_operator.adoptions import Adoptions
from wharfage_operator.almanac import Almanac
from wharfage_operator.apply import Writer
from wharfage_operator.archive import Archive, Before, Past
from wharfage_operator.asked import Prometheus, authority
from wharfage_operator.budgets import Budgets
from wharfage_operator.cache import Cache
from wharfage_operator.calibrations import Calibrations
from wharfage_operator.clock import Clock
from wharfage_operator.connection import Connection, connect
from wharfage_operator.echoes import Echoes
from wharfage_operator.errands import Allotting, Foreseeing, Foreseen, Tuning
from wharfage_operator.errors import ApiError
from wharfage_operator.expectations import Expectations
from wharfage_operator.folding import Folding
from wharfage_operator.foreman import Foreman, WorkerFailed
from wharfage_operator.gateways import Gateways
from wharfage_operator.gather import Supply
from wharfage_operator.health import Health, served
from wharfage_operator.inbox import Inbox
from wharfage_operator.kinds import LLM_DEPLOYMENTS, PODS, Key, Kind, Object
from wharfage_operator.laws import Laws
from wharfage_operator.lease import Lease
from wharfage_operator.ledger import Bookkeeper
from wharfage_operator.lookout import Lookout
from wharfage_operator.loop import Item, work
from wharfage_operator.metrics import Scrape
from wharfage_operator.notifier import Notifier
from wharfage_operator.overview import Replica
from wharfage_operator.pilotage import Pilotage
from wharfage_operator.placeholders import is_replica
from wharfage_operator.preflight import missing
from wharfage_operator.reconcile import Reconciler
from wharfage_operator.refusals import Refusals
from wharfage_operator.rounds import Rounds, Unsolved
from wharfage_operator.scalers import Scalers
from wharfage_operator.scopes import Scopes
from wharfage_operator.sensors import Sensors
from wharfage_operator.settings import Settings, load
from wharfage_operator.spending import Spending
from wharfage_operator.sync import Sync
from wharfage_operator.telemetry import Telemetry, log_to_stderr
from wharfage_operator.telling import page
from wharfage_operator.testimony import Testimony
from wharfage_operator.treasury import Treasury
from wharfage_operator.unrestricted import Unrestricted
from wharfage_operator.visitors import Visitors
from wharfage_operator.watch import WATCHED, Freshness, Streams, watch
from wharfage_operator.webpage import Page, shown
from wharfage_operator.workqueue import WorkQueue

log = logging.getLogger("wharfage_operator")

_COLLECTED_EVERY = (10_000, 20, 20)
"""Nearly all that is made here is freed by its last reference; with the default of 700 the collector, which looks for
the rest, took 13 % of the processor time while 300 deployments were created."""
_EX_CONFIG = 78
_EX_NOPERM = 77


def main() -> None:
    """Entry point of `wharfage-operator`."""
    try:
        settings = load(arguments=sys.argv[1:])
        authority(settings.prometheus_ca_file)
        log_to_stderr(settings.log_level)
    except ValueError as error:
        sys.exit(f"wharfage-operator: {error}")
    # What is imported lives as long as the process: the collector need not look at it again.
    gc.freeze()
    gc.set_threshold(*_COLLECTED_EVERY)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.exit(runner.run(run(settings)))


def _on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # kopf leaves a stream open that is cancelled between two of its events, and closing it fails at the very end.
    if "asyncgen" not in context:
        loop.default_exception_handler(context)


async def run(settings: Settings) -> int:
    """Serve until SIGTERM; returns the exit status."""
    asyncio.get_running_loop().set_exception_handler(_on_loop_error)
    try:
        opened = connect(request_timeout_s=settings.request_timeout_s, connect_timeout_s=settings.connect_timeout_s)
        async with opened as connection:
            refusals = await _permissions(connection, settings)
            if refusals:
                for refusal in refusals:
                    log.error("permission missing", extra={"permission": refusal})
                log.critical("%d permissions are missing; install or update the chart's RBAC", len(refusals))
                return _EX_NOPERM
            return await serve(connection, settings)
    except ConfigException as error:
        log.critical("no cluster: set KUBECONFIG, or run in a pod with a service account", extra={"error": str(error)})
        return _EX_CONFIG


async def _permissions(connection: Connection, settings: Settings) -> list[str]:
    """What is not allowed; waits for an API server that does not answer yet."""
    while True:
        try:
            return await missing(connection, settings)
        except ApiError as error:
            if not error.transient:
                return [str(error)]
            log.warning("the API server does not answer; trying again", extra={"error": str(error)})
            await asyncio.sleep(settings.lease_retry_s)


async def serve(connection: Connection, settings: Settings) -> int:
    """Run all parts until the watch ends (SIGTERM) or one of them fails."""
    telemetry, cache, freshness, clock = Telemetry(), Cache(), Freshness(), Clock(settings.time_scale)
    queue: WorkQueue[Item] = WorkQueue(first_s=settings.backoff_first_s, longest_s=settings.backoff_longest_s)
    inbox = Inbox(
        cache,
        queue,
        freshness,
        settle_s=settings.world_settle_s,
        children_settle_s=settings.children_settle_s,
        gone=lambda kind, obj: bookkeeper.heard(kind, obj),
    )
    streams, refusals, echoes = Streams(), Refusals(), Echoes(freshness.note)
    sync = Sync(connection, cache, settings, heard=inbox.heard, gone=inbox.wake, streams=streams, refusals=refusals)
    lease = Lease(
        connection,
        namespace=settings.namespace,
        name=settings.lease_name,
        identity=settings.identity or f"{socket.gethostname()}-{os.getpid()}",
        duration_s=settings.lease_duration_s,
        renew_deadline_s=settings.lease_renew_deadline_s,
        retry_s=settings.lease_retry_s,
    )
    writer = Writer(
        connection,
        cache,
        telemetry,
        echoes,
        conflict_every_s=settings.conflict_every_s,
        may_write=lambda: lease.proven,
        edited=inbox.wake,
    )

    def measured(key: Key) -> None:
        if key in cache.keys(LLM_DEPLOYMENTS):
            queue.add((LLM_DEPLOYMENTS, key))

    def load_of(key: Key) -> Load | None:
        ours = tuple(pod for pod in cache.owned(key, kinds=(PODS,)) if is_replica(pod))
        return adoptions.load(key) or gateways.load(key, ours, Objectives())

    def counted() -> Mapping[str, tuple[float, Counters]]:
        return metrics.counters() if isinstance(metrics, Scrape) else metrics.counters(cache.all(PODS))

    metrics: Scrape | Prometheus
    if settings.prometheus_url:
        metrics = Prometheus(settings, telemetry, measured)
    else:
        metrics = Scrape(cache, connection, settings, telemetry, measured, clock)
    gateways = Gateways(metrics, settings, connection, measured, clock)
    adoptions = Adoptions(cache, connection, settings, telemetry, measured, clock)
    archiving = settings.scrape_every_s > 0 and settings.history_every_s > 0
    supply, foreman = Supply(cache, settings), Foreman(telemetry, most_rss_mib=settings.worker_most_rss_mib)

    async def solve(seen: ClusterSnapshot, chain: str) -> Mapping[Key, Allotment]:
        try:
            return await foreman.ask(Allotting(seen, chain), timeout_s=settings.solve_within_s)
        except WorkerFailed as failure:
            raise Unsolved(failure.reason) from failure

    async def foresee(errand: Foreseeing) -> Foreseen:
        return await foreman.ask(errand, timeout_s=settings.solve_within_s)

    async def tune(errand: Tuning) -> Law:
        return await foreman.ask(errand, timeout_s=settings.solve_within_s)

    archive = Archive(
        cache,
        connection,
        writer,
        load_of,
        every_s=settings.history_every_s,
        past=_past(settings),
        learned=lambda key, uid: pilotage.experience(key, uid),
        taught=lambda key: calibrations.lessons(key),
        clock=clock,
    )
    scopes = Scopes(cache)
    bookkeeper = Bookkeeper(
        cache,
        connection,
        writer,
        supply,
        clock,
        telemetry,
        namespace=settings.namespace,
        everywhere=not settings.watch_namespaces,
        selecting=scopes.selecting,
        rows=scopes.rows,
        proven=lambda: lease.renewed_before,
        counters=counted,
        tallies=gateways.tallies,
        weigh=lambda account: calibrations.weights((account.payer.namespace, account.payer.name), account.offer),
        lost=lambda pod: (notice := lookout.notices.of(pod)) is not None and notice.is_loss,
    )
    rounds = Rounds(solve, lambda: replace(supply.now().shared, caps=treasury.caps()), answered=measured)
    treasury = Treasury(
        cache,
        bookkeeper,
        clock,
        scopes=scopes,
        wake=lambda kind, key: queue.add((kind, key)),
        renew=rounds.renew,
        every_s=settings.budgets_every_s,
        trouble=lambda: bookkeeper.trouble,
    )
    unrestricted = Unrestricted(
        connection, writer, clock, namespace=settings.namespace, take=treasury.resume, now=treasury.course
    )
    notifier = Notifier(
        cache,
        connection,
        writer,
        clock,
        telemetry,
        scopes=scopes,
        treasury=treasury,
        books=bookkeeper,
        namespace=settings.namespace,
        secrets=settings.webhook_secrets,
        loopback=settings.webhook_allow_loopback,
    )
    expectations = Expectations(foresee, archive.rows, clock)
    laws = Laws(tune, archive.rows, clock)
    calibrations = Calibrations(metrics.stints, image=settings.engine_image)
    sensors = Sensors(cache, settings, telemetry)
    lookout = Lookout(cache, clock, wait_least_s=settings.machine_patience_s)
    almanac = Almanac(lookout, cache, connection, writer, settings.namespace)
    pilotage = Pilotage(
        rounds,
        clock,
        rows=archive.rows,
        expectations=expectations,
        laws=laws,
        market=lookout,
        calibrations=calibrations,
        before=archive.before if archiving else lambda key, uid: Before(Experience(), measured=False),
        unread=archive.unread,
        orders_ahead=settings.pre_provisioning == "Auto",
        asked_s=gateways.wished_s,
    )
    reconciler = Reconciler(
        cache=cache,
        queue=queue,
        writer=writer,
        supply=supply,
        metrics=gateways,
        pilotage=pilotage,
        lookout=lookout,
        testimony=Testimony(connection, after_s=settings.events_after_s, every_s=settings.events_every_s),
        scalers=Scalers(connection, every_s=settings.conflict_every_s),
        budgets=Budgets(cache, scopes, required=settings.require_budget),
        treasury=treasury,
        sync=sync,
        adoptions=adoptions,
        spent=lambda uid: bookkeeper.of_payer(uid, clock.unix_s),
        settings=settings,
        telemetry=telemetry,
    )

    def news(kind: Kind, event_type: str | None, obj: Object) -> bool:
        if event_type is None:
            sync.relisted(kind)
        return inbox.news(kind, event_type, obj)

    async def when_leading(run: Callable[[], Awaitable[None]]) -> None:
        await sync.synced.wait()
        await lease.led.wait()
        await run()

    async def knowing(run: Callable[[], Awaitable[None]], *, of: asyncio.Event) -> None:
        await of.wait()
        await run()

    def unready() -> list[str]:
        reasons = [] if sync.synced.is_set() else ["the first lists are not complete"]
        if not lease.leads and not lease.holder:
            reasons.append("neither leader nor standby: the Lease is unknown")
        if LLM_DEPLOYMENTS not in sync.served:
            reasons.append("the API of LLMDeployment is not served")
        return reasons + refusals.sentences()

    def refresh() -> None:
        telemetry.queue.set(len(queue))
        telemetry.leader.set(lease.leads)
        lookout.tell(telemetry, time.time())
        calibrations.tell(telemetry)
        treasury.tell(telemetry)
        expectations.tell(telemetry, clock.unix_s)
        telemetry.prices.show(supply.now().offers)
        for kind in WATCHED:
            telemetry.objects.labels(kind.plural).set(cache.count(kind))
            telemetry.watch_age.labels(kind.plural).set(freshness.age_s(kind))

    def decision(key: Key) -> Mapping[str, object] | str:
        if not lease.proven:
            return f"this replica does not lead, {lease.holder or 'nobody'} does: ask there"
        telling = pilotage.telling(key)
        if telling is None:
            return f"nothing is decided for an LLMDeployment {key[1]} in namespace {key[0]}: is there one, and served?"
        load = load_of(key)
        gpus = sensors.told(key, None if load is None else load.output_tokens_per_second)
        return {**page(telling), "engines": (*calibrations.told(key), *gpus)}

    spending = Spending(connection, settings.namespace, lambda: clock.unix_s)

    def namespaces() -> set[str]:
        return {namespace for namespace, _ in cache.keys(LLM_DEPLOYMENTS)}.union(spending.namespaces)

    webpage = Page(
        cache,
        scopes,
        Visitors(connection, namespaces),
        spending,
        clock,
        replica=lambda: Replica(lease.identity, lease.leads, lease.holder),
        synced=sync.synced,
    )
    health = Health(longest_lag_s=settings.loop_lag_s, unready=unready)
    background = [
        lease.run(),
        lease.watchdog(),
        sync.run(),
        sync.discover(),
        health.beat(),
        writer.post_events(lambda: len(queue) > 0),
    ]
    looking = partial(work, queue, reconciler.look, telemetry)
    background += [
        when_leading(almanac.run),
        when_leading(bookkeeper.run),
        when_leading(unrestricted.run),
        when_leading(partial(knowing, treasury.run, of=unrestricted.read)),
        when_leading(notifier.run),
        when_leading(Folding(connection, writer, clock, settings.namespace).run),
        *(when_leading(partial(knowing, looking, of=almanac.read)) for _ in range(settings.workers)),
    ]
    background += [when_leading(rounds.run), when_leading(expectations.run), when_leading(laws.run)]
    if settings.scrape_every_s > 0:
        background += [when_leading(metrics.run), when_leading(adoptions.run), when_leading(gateways.run)]
    if settings.prometheus_url:
        background.append(when_leading(sensors.run))
    if archiving:
        background.append(when_leading(archive.run))
    ending = asyncio.Event()
    async with AsyncExitStack() as parts:

        async def end() -> None:
            ending.set()
            await _stop(tasks, within_s=settings.exit_grace_s)
            queue.close()
            await foreman.close()
            if lease.proven:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(bookkeeper.close(), timeout=settings.exit_grace_s)
            await lease.release()
            await parts.aclose()

        await parts.enter_async_context(
            served(
                health,
                telemetry,
                host=settings.http_host,
                port=settings.http_port,
                refresh=refresh,
                decision=decision,
            )
        )
        if settings.page_port:
            await parts.enter_async_context(shown(webpage, host=settings.http_host, port=settings.page_port))
        tasks = [asyncio.create_task(part) for part in background]
        watching = asyncio.create_task(
            watch(
                inbox.heard,
                settings,
                news=news,
                streams=streams,
                credentials=connection.credentials,
                refusals=refusals,
                echoes=echoes,
                ended=end,
            )
        )
        await asyncio.wait([watching, *tasks], return_when=asyncio.FIRST_COMPLETED)
        if not ending.is_set():
            watching.cancel()  # one of our parts has failed; its end ends the others
        await asyncio.wait([watching], timeout=2 * settings.exit_grace_s)
        failures = [task.exception() for task in (watching, *tasks) if task.done() and not task.cancelled()]
    for failure in filter(None, failures):
        log.critical("a part of the operator failed: ending", exc_info=failure)
        return 1
    log.info("stopped")
    return 0


def _past(settings: Settings) -> Past | None:
    """What a Prometheus remembers, if one is set; imported only then, since nothing else here needs `requests`."""
    if not settings.prometheus_url:
        return None
    from wharfage_operator.past import past

    return past(settings)


async def _stop(tasks: list[asyncio.Task[None]], *, within_s: float) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=within_s)


if __name__ == "__main__":
    main()
