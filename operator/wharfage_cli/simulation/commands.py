"""The commands `wharfage compare` and `wharfage simulate`: options here, everything else beside it.

What they stand on (numpy, the simulator) is imported when one of them runs: the other commands do without it.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click

from wharfage_cli.options import Options
from wharfage_cli.output import show

if TYPE_CHECKING:
    from wharfage_simulator.result import Result
    from wharfage_simulator.traces import Gaps, RateTrace

    from wharfage_cli.simulation.question import Question

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(path_type=Path)
_QUESTION = (
    click.argument("more_traces", nargs=-1, type=_FILE, metavar="[MORE TRACES]..."),
    click.option("--trace", "traces", multiple=True, type=_FILE, metavar="FILE...", help="Load, rates or requests."),
    click.option("--dataset", "datasets", multiple=True, metavar="NAME", help="Published load: servegen/m-large, ..."),
    click.option("--data", type=_FILE, metavar="DIR", help="The folder of the published data sets."),
    click.option("--prometheus", metavar="URL", help="A server that has scraped vLLM: your own last weeks."),
    click.option("--match", "matches", multiple=True, metavar="LABELS", help='namespace="shop"; one load for each.'),
    click.option("--days", type=click.FloatRange(0, 400, min_open=True), default=28.0, show_default=True, help="Back."),
    click.option("--window", default="5m", show_default=True, help="Rates are means over it; 2 scrapes or longer."),
    click.option("--prometheus-token-file", type=_FILE, metavar="FILE", help="Bearer token; or in the environment."),
    click.option("--prometheus-ca-file", type=_FILE, metavar="FILE", help="Who signed the server's certificate."),
    click.option("--save-trace", type=_FILE, metavar="FILE", help="Write there what the server has, for --trace."),
    click.option("--bridge-gaps", is_flag=True, help="Bridge windows that were not measured instead of refusing."),
    click.option("--catalog", "catalogs", multiple=True, required=True, type=_FILE, help="OfferCatalog, as YAML."),
    click.option("--spot", type=_FILE, metavar="FILE", help="When spot machines could be had."),
    click.option("--prices", "dated", type=_FILE, metavar="FILE", help="Prices that change at dates."),
    click.option("--boots", metavar="FILE|measured", help="Boot times to draw from; default: all take --lead."),
    click.option("--arrivals", default="renewal", show_default=True, help="Or stretched, poisson, bursty: in windows."),
    click.option("--model", default="hf://Qwen/Qwen3-8B", show_default=True, help="What is served."),
    click.option("--model-config", type=_FILE, metavar="FILE", help="config.json of a model that is not known."),
    click.option("--max-model-tokens", type=click.IntRange(min=1), default=8192, show_default=True, help="Context."),
    click.option("--ttft", default="2s", show_default=True, help="Objective for the first token, p95."),
    click.option("--tpot", default="50ms", show_default=True, help="Objective for each further token, p95."),
    click.option("--max-spot-share", type=click.FloatRange(0, 1), default=0.6, show_default=True, help="Of capacity."),
    click.option("--lead", default="300s", show_default=True, help="From an order to the first answer."),
)


class Unanswerable(click.ClickException):
    """What was asked cannot be answered; the user can mend it."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """One line, as the other commands say it."""
        click.echo(f"wharfage: {self.message}", err=True, file=file)


def _questioned(command: F) -> F:
    """A command with the options that make a question."""
    for option in reversed(_QUESTION):
        command = option(command)
    return command


@click.command()
@_questioned
@click.option("--settings", metavar="LIST", help="Of one, all, all+spot, all+spot+gateway; default: all, with spot.")
@click.option("--policies", default="all", show_default=True, metavar="LIST", help="Names with commas, or all.")
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="How many.")
@click.option("--parallel", default="1", show_default=True, metavar="N|dask://HOST:PORT", help="Who computes.")
@click.option("--json", "json_file", type=_FILE, metavar="FILE", help="Write the figures there.")
@click.option("--markdown", "markdown_file", type=_FILE, metavar="FILE", help="Write the tables there.")
@click.option("--plots", type=_FILE, metavar="DIR", help="Draw pictures there, and a page of all: index.html.")
@click.pass_context
def compare(
    ctx: click.Context, /, *,
    settings: str | None, policies: str, seeds: int, parallel: str,
    json_file: Path | None, markdown_file: Path | None, plots: Path | None, **asked: Any,
) -> None:  # fmt: skip
    """Say what a load would have cost under each autoscaler: trained on its first half, scored on its second."""
    with _said():
        from wharfage_simulator.comparison import compare as compared
        from wharfage_simulator.markdown import markdown
        from wharfage_simulator.report import rows

        from wharfage_cli.simulation import question as questions
        from wharfage_cli.simulation.spread import answered
        from wharfage_cli.simulation.spread import parallel as spread

        chosen = questions.policies(policies)
        where = questions.settings(settings, spot=asked["spot"] is not None)
        over = spread(parallel)
        for file in filter(None, (json_file, markdown_file)):
            questions.require_writable(file)
        if plots is not None:
            _refuse_no_plots()
        question = _question(where, **asked)
        lead_s = question.asked.lead_s
        with _progress() as progress:
            results = answered(
                question,
                compared,
                settings=where,
                policies=chosen,
                seeds=range(1, seeds + 1),
                over=over,
                progress=progress,
            )
        report = markdown(results, lead_s=lead_s)
        if json_file is not None:
            _written(json_file, json.dumps(rows(results), indent=1, allow_nan=False) + "\n")
        if markdown_file is not None:
            _written(markdown_file, report)
        if plots is not None:
            _draw(results, report, plots, lead_s)
    if ctx.obj is not None and ctx.obj.form == "json":
        click.echo(json.dumps(rows(results), indent=2, allow_nan=False))
    elif markdown_file is None:
        click.echo(report, nl=False)


@click.command()
@_questioned
@click.option("--policy", default="wharfage", show_default=True, help="Whose course.")
@click.option("--setting", help="One of one, all, all+spot, all+spot+gateway; default: all, with --spot all+spot.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--plots", type=_FILE, metavar="DIR", help="Draw it there.")
@click.pass_context
def simulate(
    ctx: click.Context, /, *, policy: str, setting: str | None, seed: int, plots: Path | None, **asked: Any
) -> None:
    """Replay one load under one autoscaler, and show its course hour by hour."""
    with _said():
        from wharfage_simulator.comparison import compare as compared
        from wharfage_simulator.markdown import markdown

        from wharfage_cli.simulation import course
        from wharfage_cli.simulation import question as questions
        from wharfage_cli.simulation.spread import answered

        chosen = questions.policies(policy)
        where = questions.settings(setting, spot=asked["spot"] is not None)[-1:]
        if len(chosen) > 1:
            raise questions.QuestionError(f"--policy: one of {', '.join(chosen)}; `wharfage compare` takes several")
        if plots is not None:
            _refuse_no_plots()
        question = _question(where, **asked)
        if len(question.loads) > 1:
            raise questions.QuestionError("simulate replays one load; `wharfage compare` takes several")
        (result,) = answered(question, compared, settings=where, policies=chosen, seeds=[seed])
        lead_s = question.asked.lead_s
        if plots is not None:
            _draw([result], markdown([result], lead_s=lead_s), plots, lead_s)
    options: Options = ctx.obj or Options()
    show(course.hours(result, lead_s=lead_s), course.COLUMNS, form=options.form)
    if options.is_table:
        click.echo(f"\n{course.summary(result)}")


def _question(
    settings: Sequence[str], *,
    more_traces: Sequence[Path], traces: Sequence[Path], datasets: Sequence[str], data: Path | None,
    prometheus: str | None, matches: Sequence[str], days: float, window: str,
    prometheus_token_file: Path | None, prometheus_ca_file: Path | None, save_trace: Path | None,
    bridge_gaps: bool, catalogs: Sequence[Path], spot: Path | None, dated: Path | None, boots: str | None,
    arrivals: str,
    model: str, model_config: Path | None, max_model_tokens: int, ttft: str, tpot: str, max_spot_share: float,
    lead: str,
) -> "Question":  # fmt: skip
    """Read everything that the options name, the cheap things first."""
    from wharfage_simulator.traces import Gaps, RateTrace

    from wharfage_cli.simulation import question as questions

    asked = questions.asked(
        questions.variant(model, model_config),
        ttft=ttft,
        tpot=tpot,
        lead=lead,
        context_tokens=max_model_tokens,
        max_spot_share=max_spot_share,
    )
    read = questions.catalogs(catalogs)
    offers = questions.offers(read)
    for doubt in (*questions.stale(read, now_s=time.time()), *questions.left_out(offers)):
        click.echo(f"wharfage: {doubt}", err=True)
    if spot is None and any("spot" in setting for setting in settings):
        click.echo("wharfage: without --spot FILE no spot machine is ever taken away", err=True)
    gaps = Gaps.BRIDGE if bridge_gaps else Gaps.REFUSE
    available = questions.availability(spot)
    prices = questions.prices(dated, offers, available)
    placed = questions.arrivals(arrivals)
    booting = questions.boots(boots, lead_s=asked.lead_s)
    recorded: Sequence[RateTrace] = ()
    if prometheus is not None:
        recorded = _recorded(
            prometheus,
            matches,
            days=days,
            window=window,
            token_file=prometheus_token_file,
            ca_file=prometheus_ca_file,
            save=save_trace,
            gaps=gaps,
        )
    elif matches or save_trace is not None:
        raise questions.QuestionError("--match and --save-trace need --prometheus URL, the server to ask")
    loads = questions.loads((*traces, *more_traces), datasets, data, gaps=gaps, recorded=recorded)
    unused = () if dated is None else questions.unused_prices(dated, prices, offers, loads)
    for doubt in (*questions.bridged(loads), *unused):
        click.echo(f"wharfage: {doubt}", err=True)
    return questions.Question(
        offers=offers,
        asked=asked,
        availability=available,
        prices=prices,
        boots=booting,
        arrivals=placed,
        loads=loads,
    )


def _recorded(
    url: str, matches: Sequence[str], *, save: Path | None, gaps: "Gaps", **options: Any
) -> "Sequence[RateTrace]":
    """The loads that a Prometheus server recorded; what is doubtful about them is said, and goes on."""
    try:
        from wharfage_cli.simulation import question as questions
        from wharfage_cli.simulation import weeks
    except ImportError as error:
        raise Unanswerable(f"--prometheus needs pip install 'wharfage[operator]' ({error})") from error
    found = weeks.asked(weeks.recording(url, matches, now_s=time.time(), **options))
    if save is not None:
        first, *more = found
        if more:
            raise questions.QuestionError(f"--save-trace {save}: one --match fits into a file, not {len(found)}")
        weeks.write(first, save)
    for doubt in (doubt for each in found for doubt in weeks.doubts(each)):
        click.echo(f"wharfage: {doubt}", err=True)
    return [weeks.trace(each, gaps=gaps) for each in found]


@contextmanager
def _said() -> Iterator[None]:
    """What the user can mend, in one line; anything else is a bug, and keeps its traceback."""
    try:
        from wharfage_simulator.plots import PlotsError
        from wharfage_simulator.scenario import ScenarioError
        from wharfage_simulator.tables import TraceError

        from wharfage_cli.simulation.question import QuestionError
    except ImportError as error:
        raise Unanswerable(f"this command needs the simulator: pip install 'wharfage[simulator]' ({error})") from error
    try:
        yield
    except (QuestionError, TraceError, ScenarioError, PlotsError) as error:
        raise Unanswerable(str(error)) from error


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal's standard error; nothing in a pipe."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("replays"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("replays", total=None)
        yield lambda done, whole: bar.update(task, completed=done, total=whole)


def _refuse_no_plots() -> None:
    """Say that nothing can be drawn before hours are computed."""
    from wharfage_simulator.plots import available

    available()


def _draw(results: "Sequence[Result]", report: str, folder: Path, lead_s: float) -> None:
    from wharfage_simulator.page import write_page
    from wharfage_simulator.plots import draw

    pictures = draw(results, folder, lead_s=lead_s)
    shown = [(picture.title, picture.path) for picture in pictures]
    write_page(folder / "index.html", "What the load would have cost", report, shown)


def _written(path: Path, text: str) -> None:
    from wharfage_cli.simulation.question import QuestionError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise QuestionError(f"{path}: it cannot be written: {error}") from error
