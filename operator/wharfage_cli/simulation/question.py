"""What `compare` and `simulate` are asked, from the files and words of a command line.

Every mistake is a `QuestionError`, or one of the simulator's own, whose message names the file and the place in it.
"""

import difflib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from wharfage_api.durations import parsed
from wharfage_api.offercatalog import OfferCatalog
from wharfage_api.priced import priced
from wharfage_autoscaler.accelerators import accelerator, unknown
from wharfage_autoscaler.configs import quantization_of_config, shape_of_config
from wharfage_autoscaler.model import Variant
from wharfage_autoscaler.objectives import Objectives
from wharfage_autoscaler.offers import Offer
from wharfage_autoscaler.shapes import KNOWN, native_quantization, shape_of
from wharfage_autoscaler.supply import doubted
from wharfage_autoscaler.traffic import Traffic
from wharfage_operator.settings import Settings
from wharfage_simulator.arrivals import Arrivals
from wharfage_simulator.boots import MEASURED, BootTimes, read_boots
from wharfage_simulator.datasets import dataset
from wharfage_simulator.policies.registry import POLICIES
from wharfage_simulator.prices import CATALOG, Prices, Series, read_prices
from wharfage_simulator.report import OURS
from wharfage_simulator.scenario import SPOT_ALLOWED, Asked
from wharfage_simulator.spot import Availability, read_availability
from wharfage_simulator.stage import zoned
from wharfage_simulator.traces import Gaps, RequestTrace, read_trace
from wharfage_simulator.workload import LengthModel, Load

MEASURED_BOOTS = "measured"
SETTINGS = ("one", "all", "all+spot", "all+spot+gateway")
_DOUBTS_SHOWN = 3
_SERIES_SHOWN = 4
_LEAST_S = 1200.0


class QuestionError(ValueError):
    """Something on the command line cannot be used; the message says what, where, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """All that a comparison needs but the policies."""

    loads: tuple[Load, ...]
    offers: tuple[Offer, ...]
    asked: Asked
    availability: Availability | None = None
    prices: Prices = CATALOG
    boots: BootTimes | None = None
    arrivals: Arrivals = Arrivals.RENEWAL


def loads(
    traces: Iterable[Path], names: Iterable[str], data: Path | None, *, gaps: Gaps, recorded: Sequence[Load] = ()
) -> tuple[Load, ...]:
    """The loads of files, of published data sets and of a server; files of one name are told apart by their folders."""
    paths, published = list(traces), list(names)
    if published and data is None:
        raise QuestionError(f"--dataset {published[0]} needs --data DIR, the folder that holds the data sets")
    if not paths and not published and not recorded:
        raise QuestionError(
            "no load: name a file with --trace, a data set with --dataset and --data, or a server with --prometheus"
        )
    titles = Counter(path.name.split(".")[0] for path in paths)
    read = list(recorded)
    for path in paths:
        title = path.name.split(".")[0]
        read.append(read_trace(path, gaps=gaps, name=str(path) if titles[title] > 1 else title))
    read += [dataset(data, name) for name in published if data is not None]
    for load in read:
        if load.duration_s < _LEAST_S:
            raise QuestionError(
                f"{load.name}: it is {load.duration_s:.12g} s long, and {_LEAST_S:g} s are the least: "
                "policies learn from its first half, and are judged on the second, minute by minute"
            )
    return tuple(read)


def catalogs(paths: Iterable[Path]) -> tuple[OfferCatalog, ...]:
    """The `OfferCatalog` manifests of files, several to a file if need be."""
    return tuple(catalog for path in paths for catalog in _catalogs(path))


def offers(read: Iterable[OfferCatalog]) -> tuple[Offer, ...]:
    """The offers of catalogs.

    A price that a decision would not believe is refused: others, who would, would win by it.
    """
    found = tuple(offer for catalog in read for offer in priced(catalog))
    doubts = sorted(doubted(found).values())
    if doubts:
        more = f"; and {len(doubts) - _DOUBTS_SHOWN} more" if len(doubts) > _DOUBTS_SHOWN else ""
        raise QuestionError("; ".join(doubts[:_DOUBTS_SHOWN]) + more)
    return found


def stale(read: Iterable[OfferCatalog], *, now_s: float) -> tuple[str, ...]:
    """A sentence for each catalog whose prices were observed longer ago than the operator would call current."""
    ages_s = [(catalog.metadata.name, now_s - catalog.spec.observed_at.timestamp()) for catalog in read]
    return tuple(
        f"the prices of catalog {name} were observed {age_s / 86_400.0:.0f} days ago: "
        "`wharfage offers build` makes current ones"
        for name, age_s in ages_s
        if age_s > Settings().prices_stale_after_s
    )


def left_out(offered: Iterable[Offer]) -> tuple[str, ...]:
    """A sentence for each accelerator that is in no table: its offers serve nothing, whatever they cost."""
    named: dict[str, set[str]] = {}
    for offer in offered:
        if accelerator(offer.accelerator) is None:
            named.setdefault(offer.accelerator, set()).add(offer.name)
    return tuple(f"left out: {', '.join(sorted(names))}: {unknown(name)}" for name, names in sorted(named.items()))


def bridged(read: Iterable[Load]) -> tuple[str, ...]:
    """A sentence for each load of which windows were made up."""
    return tuple(
        f"{load.name}: {load.bridged} windows of {load.window_s:g} s were not measured, and are bridged"
        for load in read
        if not isinstance(load, RequestTrace) and load.bridged
    )


def require_writable(path: Path) -> None:
    """QuestionError where a result could not be written, before hours are spent on it."""
    if path.is_dir():
        raise QuestionError(f"{path}: it cannot be written: it is a folder; name a file in it")
    if not path.absolute().parent.is_dir():
        raise QuestionError(f"{path}: it cannot be written: there is no folder {path.absolute().parent}; make it first")


def availability(path: Path | None) -> Availability | None:
    """The record of spot machines."""
    return None if path is None else read_availability(path)


def prices(path: Path | None, offered: Iterable[Offer], record: Availability | None) -> Prices:
    """Dated prices of the offers. QuestionError where they name none of them, or one is not to be believed."""
    if path is None:
        return CATALOG
    read = read_prices(path)
    known = zoned(offered, record)
    if not set(read.steps) & _series(known):
        raise QuestionError(
            f"{path}: none of its offers is in the catalogs; {_named(sorted(read.steps))}, "
            f"and the catalogs have {_named(sorted(_series(known)))}"
        )
    least = tuple(replace(offer, usd_per_hour=read.extremes(offer)[0]) for offer in known)
    doubts = doubted(least)
    for offer in least:
        if offer.key in doubts:
            raise QuestionError(
                f"{path}: {_named([(offer.name, offer.market, offer.zone)])} costs {offer.usd_per_hour:g} usd/h at its "
                f"cheapest, far below other {offer.accelerator}: not believed, correct the file"
            )
    return read


def unused_prices(path: Path, read: Prices, offered: Iterable[Offer], loads: Iterable[Load]) -> tuple[str, ...]:
    """A sentence for rows of no offer, and for each load during which no price changes: nothing would show either."""
    names = {offer.name for offer in offered}
    said = []
    if strange := sorted({series for series in read.steps if series[0] not in names}):
        said.append(f"{path}: rows of offers that are in no catalog are ignored: {_named(strange)}")
    for load in loads:
        end_s = load.start_s + load.duration_s
        if not any(load.start_s < since_s < end_s for steps in read.steps.values() for since_s in steps.since_s):
            said.append(
                f"{path}: no price changes while {load.name} runs, from t_s {load.start_s:.12g} to {end_s:.12g}: "
                "both files count t_s from the same instant"
            )
    return tuple(said)


def boots(text: str | None, *, lead_s: float) -> BootTimes | None:
    """How long machines take to boot: of a file, or as measured. None where every replica takes the lead time."""
    if text is None:
        return None
    found = MEASURED if text == MEASURED_BOOTS else read_boots(Path(text))
    if found.median_s > lead_s:
        raise QuestionError(
            f"--boots {text}: half of the machines take {found.median_s:g} s or longer to boot, and --lead, "
            f"which holds image, weights and engine as well, is {lead_s:g} s: give a longer one"
        )
    return found


def variant(source: str, config: Path | None) -> Variant:
    """The model by its name, with the shape of the built-in table or of its own `config.json`."""
    if config is None:
        shape = shape_of(source)
        if shape is None:
            raise QuestionError(
                f"--model {source}: its shape is not known; give its config.json with --model-config FILE"
                f"{_near(source)}"
            )
        return Variant(native_quantization(source) or "bf16", 1.0, "", source, shape)
    try:
        written = json.loads(_text(config))
    except ValueError as error:
        raise QuestionError(f"{config}: it is not JSON, as a model's config.json is: {error}") from error
    if not isinstance(written, dict):
        raise QuestionError(f"{config}: it holds {type(written).__name__}, not the object of a model's config.json")
    try:
        shape, stored = shape_of_config(written), quantization_of_config(written)
    except (ValueError, AttributeError) as error:
        raise QuestionError(f"{config}: {error}") from error
    return Variant(stored or "bf16", 1.0, stored, source, shape, stored)


def asked(
    model: Variant,
    *,
    ttft: str,
    tpot: str,
    lead: str,
    context_tokens: int,
    max_spot_share: float = SPOT_ALLOWED.max_spot_share,
) -> Asked:
    """What is to be served and how well; durations as in a deployment, `2s` or `50ms`. Lengths are each load's own.

    What may not be spot must be on demand, up to the share of the usual load that the API asks for by itself.
    """
    if not 0.0 <= max_spot_share <= 1.0:  # NaN, too
        raise QuestionError(f"--max-spot-share: it must be between 0 and 1, not {max_spot_share}")
    return Asked(
        variant=model,
        traffic=Traffic(LengthModel().prompt_mean, LengthModel().output_mean),
        objectives=replace(Objectives(), ttft_p95_s=seconds("--ttft", ttft), tpot_p95_s=seconds("--tpot", tpot)),
        lead_s=seconds("--lead", lead),
        max_model_tokens=context_tokens,
        placement=replace(
            SPOT_ALLOWED,
            max_spot_share=max_spot_share,
            min_on_demand_share=min(SPOT_ALLOWED.min_on_demand_share, 1.0 - max_spot_share),
        ),
    )


def seconds(option: str, text: str) -> float:
    """A duration longer than 0."""
    try:
        found = parsed(text).total_seconds()
    except ValueError as error:
        raise QuestionError(f"{option}: {error}") from error
    if found <= 0:
        raise QuestionError(f"{option}: it must be longer than 0, not {text}")
    return found


def arrivals(text: str) -> Arrivals:
    """How requests are placed inside the windows of a trace of rates."""
    if text not in tuple(Arrivals):
        raise QuestionError(f"--arrivals: there is no {text}; there are {', '.join(Arrivals)}")
    return Arrivals(text)


def settings(text: str | None, *, spot: bool) -> tuple[str, ...]:
    """The settings of a list with commas; without one, all types, with spot where there is a record of it."""
    if text is None:
        return ("all", "all+spot") if spot else ("all",)
    return _chosen("--settings", text, SETTINGS)


def policies(text: str) -> tuple[str, ...]:
    """The policies of a list with commas; `all` is each there is."""
    return _chosen("--policies", text, (OURS, *POLICIES))


def _chosen(option: str, text: str, known: Sequence[str]) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if names == ("all",) and "all" not in known:
        return tuple(known)
    if unknown := [name for name in names if name not in known]:
        raise QuestionError(f"{option}: there is no {', '.join(unknown)}; there are {', '.join(known)}")
    if not names:
        raise QuestionError(f"{option}: it is empty; there are {', '.join(known)}")
    return names


def _catalogs(path: Path) -> list[OfferCatalog]:
    try:
        documents = [each for each in yaml.safe_load_all(_text(path)) if each is not None]
    except yaml.YAMLError as error:
        raise QuestionError(f"{path}: it is not YAML: {error}") from error
    found = [_catalog(path, document) for document in documents]
    if not found:
        raise QuestionError(f"{path}: it is empty; it should hold an OfferCatalog, as examples/catalogs do")
    return found


def _catalog(path: Path, document: Any) -> OfferCatalog:
    kind = document.get("kind") if isinstance(document, dict) else None
    if kind != "OfferCatalog":
        raise QuestionError(f"{path}: it holds {kind or 'no object'}, not an OfferCatalog, as examples/catalogs do")
    try:
        return OfferCatalog.model_validate({name: part for name, part in document.items() if name != "status"})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise QuestionError(f"{path}: {where}: {first['msg']}{more}") from error


def _series(offered: Iterable[Offer]) -> set[Series]:
    """The names by which a file of prices may call them."""
    return {(offer.name, str(offer.market), zone) for offer in offered for zone in {offer.zone, ""}}


def _named(series: Sequence[Series]) -> str:
    more = f" and {len(series) - _SERIES_SHOWN} more" if len(series) > _SERIES_SHOWN else ""
    return ", ".join(" ".join(part for part in each if part) for each in series[:_SERIES_SHOWN]) + more


def _near(source: str) -> str:
    near = difflib.get_close_matches(source.removeprefix("hf://"), KNOWN, n=3, cutoff=0.5)
    return f"; known are {', '.join(f'hf://{name}' for name in near)}" if near else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise QuestionError(f"{path}: it cannot be read: {error}") from error
