// Charts as SVG, drawn in pixels of the place they are put into. Values only ever become numbers in attributes, or text.

const SVG = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

// The least round number that is not below a value, so that an axis ends at one.
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= value * 0.999);
}

// Bars of hours, each of several parts on top of each other. `parts` is [class, numbers] from the bottom up.
export function stacked(width, height, parts, days, format) {
  const left = 46, right = 4, top = 8, bottom = 20;
  const count = parts[0][1].length;
  const sums = Array.from({ length: count }, (_, at) => parts.reduce((sum, [, values]) => sum + values[at], 0));
  const highest = roundUp(Math.max(...sums));
  const x = (at) => left + ((width - left - right) * at) / count;
  const y = (value) => top + (height - top - bottom) * (1 - value / highest);
  const drawn = svg("svg", { width, height, "aria-hidden": "true" });
  for (const share of [0, 0.5, 1]) {
    const at = Math.round(y(highest * share)) + 0.5;
    drawn.append(svg("line", { class: "grid", x1: left, x2: width - right, y1: at, y2: at }));
    drawn.append(svg("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, format(highest * share)));
  }
  const base = new Array(count).fill(0);
  const gap = (x(1) - x(0)) * 0.16;
  for (const [name, values] of parts) {
    let path = "";
    values.forEach((value, at) => {
      if (value <= 0) return;
      const low = y(base[at]), high = y(base[at] + value);
      path += `M${x(at).toFixed(2)} ${low.toFixed(2)}V${high.toFixed(2)}H${(x(at + 1) - gap).toFixed(2)}V${low.toFixed(2)}Z`;
      base[at] += value;
    });
    drawn.append(svg("path", { class: name, d: path }));
  }
  const every = x(24) - x(0) < 50 ? 2 : 1;
  for (const [number, [at, label]] of days.entries()) {
    drawn.append(svg("line", { class: "grid", x1: x(at), x2: x(at), y1: y(0), y2: y(0) + 5 }));
    if (number % every === 0 && x(at) + 44 < width) drawn.append(svg("text", { x: x(at) + 4, y: height - 5 }, label));
  }
  const cursor = svg("line", { class: "cursor", y1: top, y2: height - bottom, visibility: "hidden" });
  drawn.append(cursor);
  return {
    drawn,
    sums,
    at: (offset) => Math.min(count - 1, Math.max(0, Math.floor(((offset - left) / (width - left - right)) * count))),
    point(at) {
      cursor.setAttribute("visibility", at === null ? "hidden" : "visible");
      if (at !== null) for (const end of ["x1", "x2"]) cursor.setAttribute(end, ((x(at) + x(at + 1)) / 2).toFixed(1));
    },
  };
}

// A line without axes: the shape of a week.
export function spark(values, width = 84, height = 20) {
  const highest = Math.max(...values, 1e-9);
  const step = width / (values.length - 1);
  const points = values.map((value, at) => `${(at * step).toFixed(1)},${(height - 2 - (height - 4) * (value / highest)).toFixed(1)}`);
  return svg("svg", { width, height, "aria-hidden": "true" }, svg("polyline", { class: "spark", points: points.join(" ") }));
}

// Where a budget stands: spent, the shares at which stages begin, what is expected by the end, how much of the period is over.
export function gauge(width, { spent, limit, low, mid, high, ticks, over }) {
  const height = 16, middle = height / 2;
  const most = Math.max(1.1, ...ticks.map((each) => each * 1.04), limit > 0 ? Math.max(spent, mid ?? 0) / limit : 0);
  const x = (share) => Math.max(0, Math.min(width - 5, (width - 5) * (share / Math.min(most, 2.2))));
  const of = (usd) => x(limit > 0 ? usd / limit : 2.2);
  const drawn = svg("svg", { class: "gauge", width, height, "aria-hidden": "true" });
  drawn.append(svg("rect", { class: "ground", x: 0.5, y: 3.5, width: x(1), height: 9 }));
  drawn.append(svg("rect", { class: "spent", x: 0.5, y: 4, width: Math.min(of(spent), x(1)), height: 8 }));
  if (spent > limit) drawn.append(svg("rect", { class: "over", x: x(1), y: 4, width: of(spent) - x(1), height: 8 }));
  for (const each of ticks) drawn.append(svg("line", { class: "tick", x1: x(each), x2: x(each), y1: 1, y2: 15 }));
  if (over !== null) drawn.append(svg("line", { class: "now", x1: x(over), x2: x(over), y1: 0, y2: 16 }));
  if (mid !== null) {
    drawn.append(svg("path", { class: "expected", d: `M${of(low ?? mid)} ${middle}H${of(high ?? mid)}` }));
    drawn.append(svg("circle", { class: "expected", cx: of(mid), cy: middle, r: 3 }));
  }
  return drawn;
}
