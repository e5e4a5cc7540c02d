// The table of deployments, sorted and searched here; a name opens what was decided, which is asked for then.

import { spark } from "./charts.js";
import { NONE, byId, dollars, element, figure, known, span, state } from "./words.js";

const text = (name) => (row) => row[name] ?? "";
const amount = (name) => (row) => row[name] ?? -1;
const COLUMNS = [
  { title: "Deployment", by: (row) => `${row.namespace}/${row.name}`, name: "name" },
  { title: "Ready", by: (row) => ({ False: 0, Unknown: 1, True: 2 })[row.ready] ?? 1, name: "" },
  { title: "Replicas", by: amount("readyReplicas"), name: "number" },
  { title: "Fleet", by: text("fleet"), name: "fleet medium" },
  { title: "$/h", by: amount("usdPerHour"), name: "number", falls: true },
  { title: "Today", by: amount("usdToday"), name: "number medium", falls: true },
  { title: "Month", by: amount("usdThisMonth"), name: "number medium", falls: true },
  { title: "7 days", by: (row) => (row.week ?? []).reduce((all, usd) => all + usd, 0), name: "week wide", falls: true },
  { title: "Req/s", by: amount("requestsPerSecond"), name: "number wide", falls: true },
  { title: "Stage", by: text("stage"), name: "medium" },
  { title: "Waits for, or last decision", by: text("says"), name: "says wide" },
];
const key = (row) => `${row.namespace}/${row.name}`;

let rows = [];
let order = { column: 0, falls: false };
let opened = null;
let ask = null;

export function listenToFleet(asks) {
  ask = asks;
  const heads = COLUMNS.map((column, at) =>
    element("th", { class: column.name, scope: "col" }, element("button", { type: "button", onclick: () => sortBy(at) }, column.title)));
  byId("deployments").tHead.replaceChildren(element("tr", {}, ...heads));
  byId("search").addEventListener("input", draw);
}

export function showFleet(deployments) {
  rows = deployments;
  draw();
}

export function forgetFleet() {
  rows = [];
  opened = null;
  draw();
}

function sortBy(at) {
  order = order.column === at ? { column: at, falls: !order.falls } : { column: at, falls: Boolean(COLUMNS[at].falls) };
  draw();
}

function chosen() {
  const namespace = byId("namespace").value;
  const words = byId("search").value.toLowerCase().split(/\s+/).filter((word) => word);
  const found = (row) => [row.namespace, row.name, row.team, row.model, row.fleet, row.reason, row.stage].join(" ").toLowerCase();
  return rows.filter((row) => (!namespace || row.namespace === namespace) && words.every((word) => found(row).includes(word)));
}

export function draw() {
  const { by } = COLUMNS[order.column];
  const way = order.falls ? -1 : 1;
  const compare = (one, other) => {
    const [a, b] = [by(one), by(other)];
    return a < b ? -way : a > b ? way : key(one) < key(other) ? -1 : 1;
  };
  const found = chosen().sort(compare);
  const table = byId("deployments");
  const focused = table.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const details = table.querySelector("tr.details");
  const drawn = document.createDocumentFragment();
  for (const row of found) {
    drawn.append(line(row));
    if (key(row) === opened) drawn.append(details ?? place(row));
  }
  table.tBodies[0].replaceChildren(drawn);
  [...table.tHead.rows[0].cells].forEach((cell, at) => {
    if (at === order.column) cell.setAttribute("aria-sort", order.falls ? "descending" : "ascending");
    else cell.removeAttribute("aria-sort");
  });
  table.hidden = !rows.length;
  byId("count").textContent = found.length === rows.length ? `${rows.length} deployments` : `${found.length} of ${rows.length} deployments`;
  byId("nothing").hidden = Boolean(rows.length);
  if (focused) [...table.querySelectorAll("[data-key]")].find((each) => each.dataset.key === focused)?.focus();
}

function line(row) {
  const name = element("button", { type: "button", "data-key": key(row), "aria-expanded": key(row) === opened, onclick: () => toggle(row) }, row.name);
  const words = { True: "ready", False: row.reason ?? "not ready", Unknown: "not known" };
  const replicas = known(row.wanted) ? `${row.readyReplicas ?? 0}/${row.wanted}` : NONE;
  const cells = [
    [element("span", {}, `${row.namespace}/`), name],
    [state(row.ready, words[row.ready] ?? row.ready)],
    [replicas],
    [row.fleet && row.fleet !== "<none>" ? row.fleet : NONE],
    [dollars(row.usdPerHour)],
    [dollars(row.usdToday)],
    [dollars(row.usdThisMonth)],
    [row.week ? spark(row.week) : NONE],
    [figure(row.requestsPerSecond)],
    [row.stage ? state(row.stage, row.stage) : NONE],
    [element("div", {}, row.says || row.decision || NONE)],
  ];
  const made = element("tr", { class: "row" }, ...cells.map((cell, at) => element("td", { class: COLUMNS[at].name }, ...cell)));
  made.lastChild.setAttribute("title", row.says || row.decision || "");
  return made;
}

function toggle(row) {
  opened = opened === key(row) ? null : key(row);
  byId("deployments").querySelector("tr.details")?.remove();
  draw();
}

// The row below an opened one, filled when the answer is there.
function place(row) {
  const cell = element("td", { colspan: COLUMNS.length }, element("p", { class: "hint" }, "Reading its decision"));
  ask(`api/fleet/${encodeURIComponent(row.namespace)}/${encodeURIComponent(row.name)}`)
    .then((found) => cell.replaceChildren(...details(found)))
    .catch((error) => cell.replaceChildren(element("p", { role: "alert" }, error.message)));
  return element("tr", { class: "details" }, cell);
}

function details(row) {
  const { decision, fleet, conditions, load } = row.status;
  const left = element("div", {}, element("h3", {}, "Runs"), fleet ? pools(fleet) : NONE);
  left.append(element("h3", {}, "Decided by"), decision ? steps(decision) : NONE);
  if (decision?.rejected?.length) {
    left.append(element("h3", {}, "Not chosen"), table(["Fleet", "$/h", "Why"], decision.rejected.map((each) => [each.fleet, dollars(each.usdPerHour && Number(each.usdPerHour)), each.why])));
  }
  const right = element("div", {}, element("h3", {}, "Conditions"), table(["", "", "Reason", "Says"], told(conditions ?? [])));
  const measured = load ? ` · ${figure(load.requestsPerSecond)} req/s, first token ${load.ttftP95 ?? NONE}, each further ${load.tpotP95 ?? NONE} (95 %)` : "";
  const head = element("p", { class: "hint" }, `${row.model ?? ""}${row.team ? ` · team ${row.team}` : ""}${measured}`);
  return [head, element("div", { class: "two" }, left, right)];
}

// Conditions as rows; what an earlier one says, too, is not said again.
function told(conditions) {
  const before = new Map();
  return conditions.map((each) => {
    const same = before.get(each.message);
    before.set(each.message, same ?? each.type);
    return [each.type, state(each.status, each.status), each.reason, same ? `as ${same}` : each.message];
  });
}

const steps = (decision) =>
  element("ol", {}, ...decision.steps.map((step) => element("li", {}, element("b", {}, step.reason), ` ${step.message}`)));

const pools = (fleet) => table(
  ["Offer", "Accelerator", "Market", "Zone", "Ready", "$/h", "Lead time"],
  fleet.map((each) => [`${each.catalog}/${each.offer}`, each.accelerator, each.market, each.zone || NONE, `${each.ready}/${each.wanted}`, dollars(each.usdPerHour && Number(each.usdPerHour)), each.leadTime ?? NONE]));

function table(heads, lines) {
  const row = (cells, name) => element("tr", {}, ...cells.map((cell) => element(name, {}, cell ?? NONE)));
  return element("table", {}, element("thead", {}, row(heads, "th")), element("tbody", {}, ...lines.map((cells) => row(cells, "td"))));
}

// The latest decisions of all that is shown, newest first.
export function showDecisions(deployments, now) {
  const found = deployments.filter((row) => row.decidedAt && row.decision);
  found.sort((one, other) => (one.decidedAt < other.decidedAt ? 1 : one.decidedAt > other.decidedAt ? -1 : key(one) < key(other) ? -1 : 1));
  byId("decisions").replaceChildren(...found.slice(0, 12).map((row) => element("li", {},
    element("time", { datetime: row.decidedAt, title: row.decidedAt }, `${span(now - Date.parse(row.decidedAt) / 1000)} ago`),
    element("b", {}, key(row)),
    element("span", {}, row.decision))));
}
