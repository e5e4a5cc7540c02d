// Dollars: the course of the last seven days, and where the budgets stand.

import { gauge, stacked } from "./charts.js";
import { NONE, byId, dayOf, dollars, element, hourOf, known, round, span, state, utc } from "./words.js";

const PARTS = [["serving", "serving"], ["startup", "start-up"], ["idle", "idle"]];

let chart = null;
let shown = null;
let pointed = null;

// The sums of these namespaces by hour, for each part.
function sums(spending, namespace) {
  const chosen = Object.entries(spending.namespaces).filter(([name]) => !namespace || name === namespace);
  const sum = (part) => Array.from({ length: spending.hours }, (_, at) => chosen.reduce((all, [, hours]) => all + hours[part][at], 0));
  return Object.fromEntries([...PARTS.map(([part]) => part), "estimated"].map((part) => [part, sum(part)]));
}

export function showCourse(spending, namespace) {
  const place = byId("course");
  shown = spending && { spending, namespace, parts: sums(spending, namespace) };
  if (!shown) {
    place.replaceChildren();
    place.setAttribute("aria-label", "not known");
    byId("reading").replaceChildren("Not known.");
    return;
  }
  const days = [];
  for (let at = 0; at < spending.hours; at++) {
    const begins = spending.from + at * 3600;
    if (begins % 86400 === 0) days.push([at, dayOf(begins)]);
  }
  const drawn = PARTS.map(([part]) => [part, shown.parts[part]]);
  chart = stacked(Math.max(280, place.clientWidth), place.clientHeight, drawn, days, (usd) => round(usd));
  place.replaceChildren(chart.drawn);
  const week = chart.sums.reduce((all, usd) => all + usd, 0);
  place.setAttribute("aria-label", `${dollars(week)} dollars in seven days; arrow keys read single hours`);
  read(pointed);
}

const swatch = (part, word, usd) => [element("span", { class: `key ${part}` }), `${word} ${dollars(usd)}`];

function read(at) {
  pointed = at;
  if (!shown || !chart) return;
  chart.point(at);
  const of = (part) => (at === null ? shown.parts[part].reduce((all, usd) => all + usd, 0) : shown.parts[part][at]);
  const total = PARTS.reduce((all, [part]) => all + of(part), 0);
  const when = at === null ? "Seven days" : hourOf(shown.spending.from + at * 3600);
  const guessed = of("estimated") >= 0.005 ? `, of it estimated ${dollars(of("estimated"))}` : "";
  const late = shown.spending.late ? `; not kept since ${utc(shown.spending.keptUntil)}` : "";
  byId("reading").replaceChildren(...PARTS.flatMap(([part, word]) => swatch(part, word, of(part))), `\u2003${when}: $${dollars(total)}${guessed}${late}`);
}

export function listenToCourse() {
  const place = byId("course");
  place.addEventListener("pointermove", (event) => chart && read(chart.at(event.clientX - place.getBoundingClientRect().left)));
  place.addEventListener("pointerleave", () => read(null));
  place.addEventListener("blur", () => read(null));
  place.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !shown) return;
    event.preventDefault();
    const last = shown.spending.hours - 1;
    read(pointed === null ? last : Math.max(0, Math.min(last, pointed + step)));
  });
  let width = 0;
  new ResizeObserver(([entry]) => {
    if (entry.contentRect.width === width) return;
    width = entry.contentRect.width;
    if (shown && width) showCourse(shown.spending, shown.namespace);
  }).observe(place);
}

export function showBudgets(budgets, now) {
  const place = byId("budgets");
  if (budgets === null) {
    place.replaceChildren(element("p", { class: "hint" }, "You may not list LLMBudgets. They are of the whole cluster: ask for the right to list llmbudgets.wharfage.dev."));
  } else if (!budgets.length) {
    place.replaceChildren(element("p", { class: "hint" }, "There are none: nothing bounds what is spent in a period."));
  } else {
    place.replaceChildren(...budgets.map((each) => budget(each, now, place.clientWidth)));
  }
}

function budget(each, now, width) {
  const spent = each.usdSpent ?? 0;
  const share = known(each.usdSpent) && each.usd > 0 ? ` (${Math.round((100 * each.usdSpent) / each.usd)} %)` : "";
  const over = known(each.begins) ? (now - each.begins) / (each.ends - each.begins) : null;
  const forecast = each.usdForecast;
  const top = element("div", { class: "top" },
    element("b", {}, each.name),
    each.stage ? state(each.stage, each.stage) : element("span", { class: "soft" }, "no stage"),
    each.mode === "Enforce" ? null : element("span", { class: "soft" }, each.mode),
    element("span", { class: "money" }, `${dollars(each.usdSpent)} of ${round(each.usd)}${share}`));
  const words = [
    `${each.period}${each.timeZone === "UTC" ? "" : `, ${each.timeZone}`}`,
    known(each.ends) ? `ends in ${span(each.ends - now)}` : "time zone not known",
    `expected ${dollars(forecast.mid)}${known(forecast.low) ? ` (${dollars(forecast.low)} to ${dollars(forecast.high)})` : ""}`,
    known(each.usdPerHourAllowance) ? `allowance $${dollars(each.usdPerHourAllowance)}/h` : null,
    each.overridden ? "override" : null,
    `${each.deployments ?? NONE} deployments`,
  ];
  const ticks = each.stages.map((stage) => stage.at);
  const made = element("div", { class: "budget" }, top,
    gauge(Math.max(200, width), { spent, limit: each.usd, low: forecast.low, mid: forecast.mid, high: forecast.high, ticks, over }),
    element("div", { class: "soft" }, words.filter((word) => word).join(" · ")));
  made.setAttribute("title", each.stages.map((stage) => `${stage.action} at ${Math.round(stage.at * 100)} % ${stage.of === "Forecast" ? "expected" : "spent"}`).join("\n"));
  if (each.says) made.append(element("div", { class: "soft" }, each.says));
  return made;
}
