// A window of the run as a picture: time flows down, a row per event; each lane is a column.

const ROW = 20;
const TOP = 46;
const BOTTOM = 30;
// The times at the left edge.
const GUTTER = 84;
// How close and how far apart columns are. Between these, all fit into the room there is.
const [NARROWEST, WIDEST] = [48, 190];
const TIME_EVERY = 5;
const FAULT_NAME = 60;
// The width of a letter, and how far letters reach above their line: from here to there.
const LETTER = 5.7;
const ABOVE = [5, 11];
const LONGEST = 56;
// A tooltip has no room for more of a body, which stands in full below the diagram.
const TOOLTIP = 1000;
// The grid on which the place of a label is marked as taken.
const CELL = 6;

// An element of SVG; attributes that are undefined are left out.
function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// A moment in ns, fine enough to tell a step from the next.
function moment(ns) {
  const ms = ns / 1e6;
  return Math.abs(ms) < 1000 ? `${ms.toFixed(2)} ms` : `${(ms / 1000).toFixed(4)} s`;
}

function shorten(text, most) {
  const letters = [...text.slice(0, 2 * most + 2)];
  return letters.length > most ? letters.slice(0, Math.max(most - 1, 0)).join("") + "…" : text;
}

function way(arrow, names) {
  const [src, dest] = [names[arrow.src], names[arrow.dest]];
  const later = arrow.ended === null ? "" : ` ${moment(arrow.endedAt - arrow.sentAt)} later`;
  return `${src} → ${dest}, sent at ${moment(arrow.sentAt)}, ${arrow.fate}${later}`;
}

// The type of a body, and what its message says beside the protocol's own fields; of an error
// its text.
function saying(body) {
  const all = fields(body);
  const value = (wanted) => all.find(({ name }) => name === wanted)?.value;
  const kind = value("type")?.slice(1, -1) || "…";
  if (kind === "error" && value("text")) return [kind, `error ${value("text").slice(1, -1)}`];
  const others = all.filter(({ name }) => !["type", "msg_id", "in_reply_to"].includes(name));
  return [kind, [kind, ...others.map(({ name, value }) => `${name}=${value}`)].join(" ")];
}

// Draws the rows, each an event's step and arrows, into the picture `into`. `lane` tells the
// column of a name by its number, `mark` the classes of an arrow, `room` is how wide it should
// be at most. Gives the columns' places.
function draw(into, rows, { names, lanes, lane, faults, mark, room }) {
  const fitting = Math.floor((room - GUTTER) / Math.max(lanes.length, 1));
  const pitch = Math.min(Math.max(fitting, NARROWEST), WIDEST);
  const width = Math.max(GUTTER + pitch * lanes.length, 300);
  const y = (row) => TOP + ROW * row;
  const bottom = y(rows.length);
  const height = bottom + BOTTOM;
  const x = (column) => GUTTER + pitch * (column + 0.5);
  const group = svg("g");
  const add = (tag, attributes, ...children) => group.append(svg(tag, attributes, ...children));
  add("rect", { class: "paper", width, height });

  // The row of a step, or that of the next one which is there.
  const row = (step) => {
    const found = rows.findIndex((it) => it.step >= step);
    return found < 0 ? rows.length : found;
  };
  const kinds = [...new Set(faults.map(([kind]) => kind))];
  const named = [];
  for (const [kind, first, past] of faults) {
    const [top, end] = [y(row(first)) - ROW / 2, y(row(past)) - ROW / 2];
    if (top === end) continue;
    add("rect", { class: "fault", x: 0, y: top, width, height: end - top });
    const place = GUTTER + FAULT_NAME * kinds.indexOf(kind);
    named.push(svg("text", { class: "fault-name", x: place, y: top + 13 }, kind));
  }
  lanes.forEach((name, column) => {
    add("line", { class: "column", x1: x(column), x2: x(column), y1: TOP - 12, y2: bottom });
    add("text", { class: "name", x: x(column), y: TOP - 20 }, name);
  });
  rows.forEach(({ time }, i) => {
    if (i % TIME_EVERY === 0) add("text", { class: "time", x: GUTTER - 16, y: y(i) + 4 }, moment(time));
  });

  const rowOf = new Map(rows.map(({ step }, i) => [step, i]));
  const taken = new Set();
  const drawn = new Set();
  for (const arrow of rows.flatMap(({ arrows }) => arrows)) {
    const key = `${arrow.sent}-${arrow.ended}`;
    if (drawn.has(key)) continue;
    drawn.add(key);
    const [sent, ended] = [rowOf.get(arrow.sent), rowOf.get(arrow.ended)];
    const across = x(lane(arrow.dest)) - x(lane(arrow.src));
    const isLost = !/^(received|under way)/.test(arrow.fate);
    const reach = arrow.ended === null ? 0.5 : isLost ? 0.75 : 1;
    const from = [x(lane(arrow.src)), sent === undefined ? TOP - 12 : y(sent)];
    const to = [from[0] + across * reach, from[1] + ROW];
    if (arrow.ended !== null) to[1] = ended === undefined ? bottom : y(ended);
    const beyond = sent === undefined || (arrow.ended !== null && ended === undefined);
    const [kind, text] = saying(arrow.body);
    const isClients = [arrow.src, arrow.dest].some((it) => names[it].startsWith("c"));
    const sort = kind === "error" ? "error" : isClients ? "client" : "server";
    const classes = ["message", sort, isLost && "lost", beyond && "beyond", ...mark(arrow)];
    const d = path(from, to, ended === undefined && arrow.ended !== null, isLost);
    add(
      "g",
      { class: classes.filter(Boolean).join(" "), "data-sent": arrow.sent, "data-end": arrow.ended ?? "" },
      svg("title", {}, `${way(arrow, names)}\n${shorten(arrow.body, TOOLTIP)}`),
      svg("path", { class: "reach", d }),
      svg("path", { d }),
      ...label(from, to, kind, text, taken),
    );
  }
  group.append(...named);
  if (!rows.length) add("text", { class: "time", x: width / 2, y: TOP }, "no messages");
  into.replaceChildren(into.querySelector("style"), group);
  for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) {
    into.setAttribute(name, value);
  }
  return { width, places: lanes.map((_, column) => x(column)) };
}

// The line with its arrowhead, or its broken end, unless that is below the picture.
function path([fromX, fromY], [toX, toY], isBelow, isLost) {
  const n = (number) => number.toFixed(1);
  let line = `L${n(toX)} ${n(toY)}`;
  let [ux, uy] = [-1, 0];
  if (fromX === toX) {
    // Who writes to itself: a bow to the right of its column.
    const bow = fromX + 34;
    line = `C${n(bow)} ${n(fromY)} ${n(bow)} ${n(toY)} ${n(toX)} ${n(toY)}`;
  } else {
    const length = Math.hypot(toX - fromX, toY - fromY);
    [ux, uy] = [(toX - fromX) / length, (toY - fromY) / length];
  }
  const at = (along, aside) => `${n(toX + ux * along - uy * aside)} ${n(toY + uy * along + ux * aside)}`;
  const head = `M${at(-9, 4)}L${n(toX)} ${n(toY)}L${at(-9, -4)}`;
  const cross = `M${at(-5, 5)}L${at(5, -5)}M${at(-5, -5)}L${at(5, 5)}`;
  return `M${n(fromX)} ${n(fromY)}${line}${isBelow ? "" : isLost ? cross : head}`;
}

// What a message says, or at least its type, as far as there is room along its line and no other
// label is in the way.
function label(from, to, kind, text, taken) {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const length = Math.hypot(dx, dy);
  const room = Math.max(Math.floor((length - 26) / LETTER), 0);
  if (dx === 0 || room < kind.length) return [];
  const middle = [from[0] + dx / 2, from[1] + dy / 2];
  // Upright, whichever way the arrow points.
  const right = [Math.abs(dx) / length, (dy * Math.sign(dx)) / length];
  for (const said of [shorten(text, Math.min(room, LONGEST)), kind]) {
    const cells = covered(middle, right, said.length);
    if (cells.some((cell) => taken.has(cell))) continue;
    cells.forEach((cell) => taken.add(cell));
    const angle = (Math.atan2(right[1], right[0]) * 180) / Math.PI;
    const transform = `translate(${middle.map((it) => it.toFixed(1)).join(" ")}) rotate(${angle.toFixed(1)})`;
    return [svg("text", { transform, y: -4 }, said)];
  }
  return [];
}

// The cells that so many letters take about the middle of a line that runs to the right like this.
function covered(middle, right, letters) {
  const half = (letters * LETTER) / 2;
  const cells = [];
  for (let along = -half; along <= half; along += CELL / 2) {
    for (const above of ABOVE) {
      const x = middle[0] + right[0] * along + right[1] * above;
      const y = middle[1] + right[1] * along - right[0] * above;
      cells.push(`${Math.floor(x / CELL)},${Math.floor(y / CELL)}`);
    }
  }
  return cells;
}
