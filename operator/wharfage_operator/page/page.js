// Signs in, asks again every quarter of a minute, and hands what comes to those who show it.

import { draw, forgetFleet, listenToFleet, showDecisions, showFleet } from "./fleet.js";
import { listenToCourse, showBudgets, showCourse } from "./money.js";
import { byId, dollars, element, known } from "./words.js";

const EVERY_MS = 15000;
const KEPT = "wharfage-token";

let timer = null;
let last = null;

class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// Without a token of its own the page asks all the same: a proxy in front may add one.
async function ask(path) {
  const token = sessionStorage.getItem(KEPT);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let answer;
  try {
    answer = await fetch(path, { headers, cache: "no-store", redirect: "error" });
  } catch {
    throw new Refusal(0, "The operator does not answer; trying again.");
  }
  const found = await answer.json().catch(() => ({ message: `status ${answer.status}, and no words` }));
  if (!answer.ok) throw new Refusal(answer.status, found.message);
  return found;
}

async function refresh() {
  clearTimeout(timer);
  const asker = sessionStorage.getItem(KEPT);
  const current = () => sessionStorage.getItem(KEPT) === asker;
  try {
    const found = await ask("api/fleet");
    if (!current()) return;
    show(found);
  } catch (refusal) {
    if (!current()) return;
    if (refusal.status === 401) return leave(asker ? refusal.message : "");
    tell(refusal.message);
  }
  timer = setTimeout(refresh, EVERY_MS);
}

function tell(message) {
  byId("banner").textContent = message;
  byId("banner").hidden = !message;
}

function leave(message) {
  clearTimeout(timer);
  sessionStorage.removeItem(KEPT);
  last = null;
  forgetFleet();
  showCourse(null, "");
  for (const id of ["budgets", "decisions", "figures", "namespace"]) byId(id).replaceChildren();
  for (const id of ["user", "replica"]) byId(id).textContent = "";
  byId("shown").hidden = byId("leave").hidden = true;
  byId("login").hidden = false;
  byId("refused").textContent = message;
  tell("");
  byId("token").focus();
}

function show(found) {
  last = found;
  byId("login").hidden = true;
  byId("shown").hidden = false;
  byId("leave").hidden = !sessionStorage.getItem(KEPT);
  byId("user").textContent = found.user;
  const { replica } = found;
  byId("replica").textContent = replica.leads
    ? `answered by ${replica.identity}, which leads`
    : `answered by ${replica.identity}, on standby; ${replica.leader || "nobody"} leads`;
  byId("nothing").textContent = found.everywhere
    ? "There is no LLMDeployment in this cluster yet."
    : "There is no LLMDeployment that you may see: you need the right to list llmdeployments.wharfage.dev in a namespace that has one.";
  tell(found.trouble);
  choices(found);
  showMoney(); // measures its place: before the table, which takes longest to lay out
  showFleet(found.deployments);
}

function showMoney() {
  const namespace = byId("namespace").value;
  const chosen = last.deployments.filter((row) => !namespace || row.namespace === namespace);
  figures(chosen);
  showCourse(last.spending, namespace);
  showBudgets(last.budgets, last.now);
  showDecisions(chosen, last.now);
}

function choices(found) {
  const place = byId("namespace");
  const before = place.value;
  const names = [...new Set([...found.deployments.map((row) => row.namespace), ...Object.keys(found.spending?.namespaces ?? {})])].sort();
  place.replaceChildren(element("option", { value: "" }, "all"), ...names.map((name) => element("option", { value: name }, name)));
  place.value = names.includes(before) ? before : "";
}

function figures(rows) {
  const sum = (name) => (rows.some((row) => known(row[name])) ? rows.reduce((all, row) => all + (row[name] ?? 0), 0) : null);
  const ready = rows.filter((row) => row.ready === "True").length;
  const held = (last.budgets ?? []).filter((each) => each.stage).length;
  const told = [
    ["Dollars per hour", dollars(sum("usdPerHour")), ""],
    ["Today", dollars(sum("usdToday")), ""],
    ["This month", dollars(sum("usdThisMonth")), ""],
    ["Deployments ready", String(ready), ` of ${rows.length}`],
    ["Replicas ready", String(sum("readyReplicas") ?? 0), ` of ${sum("wanted") ?? 0}`],
  ];
  if (last.budgets) told.push(["Budgets at a stage", String(held), ` of ${last.budgets.length}`]);
  byId("figures").replaceChildren(...told.map(([name, value, rest]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value, element("small", {}, rest)))));
}

byId("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = byId("token").value.trim();
  byId("token").value = "";
  const written = /^[\x21-\x7e]+$/.test(token);
  byId("refused").textContent = written ? "" : "A token is one word of plain letters, digits and dots.";
  if (!written) return;
  sessionStorage.setItem(KEPT, token);
  refresh();
});
byId("leave").addEventListener("click", () => leave(""));
byId("namespace").addEventListener("change", () => {
  draw();
  showMoney();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && last) refresh();
});
listenToFleet(ask);
listenToCourse();
refresh();
