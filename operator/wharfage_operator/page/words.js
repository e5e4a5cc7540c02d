// How values are told, and how elements are made. Whatever comes from the cluster becomes text, never markup.

export const NONE = "–";

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "onclick") made.addEventListener("click", value);
    else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : String(value));
  }
  made.append(...children.filter((each) => each !== null));
  return made;
}

export const byId = (id) => document.getElementById(id);

const two = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const none = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const three = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });

export const known = (value) => value !== null && value !== undefined;
export const dollars = (value) => (known(value) ? two.format(value) : NONE);
export const round = (value) => (known(value) ? (Math.abs(value) < 100 ? two : none).format(value) : NONE);
export const figure = (value) => (known(value) ? three.format(value) : NONE);

// How long ago, or in how long, in one unit.
export function span(seconds) {
  const whole = Math.abs(seconds);
  if (whole < 90) return `${Math.round(whole)} s`;
  if (whole < 90 * 60) return `${Math.round(whole / 60)} min`;
  if (whole < 36 * 3600) return `${Math.round(whole / 3600)} h`;
  return `${Math.round(whole / 86400)} d`;
}

export const utc = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ") + " UTC";

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
export function hourOf(seconds) {
  const at = new Date(seconds * 1000);
  return `${DAYS[at.getUTCDay()]} ${at.getUTCDate()}, ${String(at.getUTCHours()).padStart(2, "0")}:00`;
}
export function dayOf(seconds) {
  const at = new Date(seconds * 1000);
  return `${DAYS[at.getUTCDay()]} ${at.getUTCDate()}`;
}

// A mark and a word for a state; the word alone must do for those who see no colours.
const LEVELS = {
  True: "good", False: "bad", Unknown: "", Notify: "", PreferCheaper: "warn", Throttle: "warn", Freeze: "warn", Floor: "bad", Stop: "bad",
};
export const state = (level, text) => element("span", { class: `state ${LEVELS[level] ?? ""}` }, text);
