"use strict";
/* Asks for the run's state every second and draws it. Nothing is kept here but how the table is sorted. */

const SVG = "http://www.w3.org/2000/svg";
const TROUBLE = new Set(["error", "diverged", "alone", "unmet", "budget"]);
const ENDED = new Set(["rounds", "time", "work", "patience", "handed", "hands out", "left", "stopped"]);
const WORDS = { rounds: "done", time: "done", work: "done", patience: "done", handed: "done, took a final model", "hands out": "done, hands out its model",
  joining: "waits for neighbours", absent: "no log here" };
const COLUMNS = [
  // name, value, digits after the point, what it means where the name does not say so
  ["peer", (peer) => peer.peer, 0], ["state", (peer) => stateWords(peer)], ["round", (peer) => ifThere(peer, peer.round), 0],
  ["UF1", (peer) => peer.uf1, 3], ["loss", (peer) => peer.loss, 3], ["MB sent", (peer) => ifThere(peer, peer.bytes_sent / 1e6), 1],
  ["alone", (peer) => ifThere(peer, peer.alone), 0, "Rounds in which neighbours were due and none came"],
  ["neighbours", (peer) => ifThere(peer, neighbourWords(peer))],
];
let sorting = { column: 0, ascending: true, asked: false }; // until it is asked for, who is in trouble stands on top
let latest = null;
let pace = null;
let chosen = null;

const at = (id) => document.getElementById(id);

function make(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function stateWords(peer) {
  if (peer.waits.length) return `waits for ${peer.waits.join(", ")}`;
  return WORDS[peer.state] || peer.state;
}

function neighbourWords(peer) {
  if ((ENDED.has(peer.state) || TROUBLE.has(peer.state)) && peer.state !== "hands out") return ""; // its end closed its links
  const odd = peer.neighbours.filter((other) => other.state !== "up");
  const up = peer.neighbours.length - odd.length;
  return [`${up} up`, ...odd.map((other) => `${other.peer} ${other.state}${other.why ? ` (${other.why})` : ""}`)].join(", ");
}

function kindOf(peer) {
  if (peer.state === "absent") return "absent";
  if (TROUBLE.has(peer.state)) return "trouble";
  if (ENDED.has(peer.state)) return "done";
  return peer.waits.length || peer.state === "joining" ? "waiting" : "training";
}

function ifThere(peer, value) {
  return peer.state === "absent" ? null : value;
}

function number(value, digits) {
  return value === null || value === undefined ? "" : value.toFixed(digits);
}

function readable(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

function drawSums(state) {
  const there = state.peers.filter((peer) => peer.state !== "absent");
  const scores = there.map((peer) => peer.uf1).filter((value) => value !== null);
  const going = there.filter((peer) => kindOf(peer) === "training" || kindOf(peer) === "waiting");
  const reached = Math.min(...(going.length ? going : there).map((peer) => peer.round));
  at("round").textContent = there.length ? `${reached} of ${state.rounds}` : "–";
  at("uf1").textContent = scores.length ? number(scores.reduce((sum, value) => sum + value, 0) / scores.length, 3) : "–";
  at("worst").textContent = scores.length ? number(Math.min(...scores), 3) : "–";
  at("sent").textContent = `${number(there.reduce((sum, peer) => sum + peer.bytes_sent, 0) / 1e6, 1)} MB`;
  const now = performance.now() / 1000;
  if (!pace || reached < pace.first.round) pace = { first: { round: reached, at: now }, last: { round: reached, at: now } };
  if (reached > pace.last.round) pace.last = { round: reached, at: now };
  const rounds = pace.last.round - pace.first.round;
  at("left-name").textContent = going.length ? "time left" : "state";
  at("left").textContent = !going.length ? "ended" : rounds
    ? readable(Math.max(0, (state.rounds - reached) * (pace.last.at - pace.first.at) / rounds)) : "–";
}

// A drawing as wide as its place, within limits: on a phone its letters would shrink with it to what nobody can read.
function sized(svg) {
  const width = svg.clientWidth > 0 && svg.clientWidth < 480 ? 380 : 640, height = width * 11 / 16;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  return [width, height];
}

// A state has its shape beside its colour, for who sees or prints grey: a disc, done a square with round corners, trouble
// one that stands on its corner; who waits is a ring, who is absent a dotted one (page.css).
function markOf(kind, x, y, radius) {
  const half = kind === "trouble" || kind === "done" ? 0.88 * radius : radius;
  const corner = { done: 0.3, trouble: 0 }[kind] ?? 1;
  const turned = kind === "trouble" ? { transform: `rotate(45 ${x} ${y})` } : {};
  return make("rect", { x: x - half, y: y - half, width: 2 * half, height: 2 * half, rx: corner * half, ...turned });
}

function drawGraph(state) {
  const svg = at("graph"), [width, height] = sized(svg), margin = 26;
  const there = state.places.filter((place) => place !== null);  // who has left is not drawn
  const xs = there.map((place) => place[0]), ys = there.map((place) => place[1]);
  const spanX = Math.max(...xs) - Math.min(...xs) || 1, spanY = Math.max(...ys) - Math.min(...ys) || 1;
  const scale = Math.min((width - 2 * margin) / spanX, (height - 2 * margin) / spanY);
  const middle = [(Math.max(...xs) + Math.min(...xs)) / 2, (Math.max(...ys) + Math.min(...ys)) / 2];
  const put = ([x, y]) => [width / 2 + (x - middle[0]) * scale, height / 2 - (y - middle[1]) * scale];
  const place = state.places.map((each) => each && put(each));
  const radius = Math.max(4, Math.min(17, 0.22 * width / Math.sqrt(state.peers.length), 0.4 * nearest(there.map(put))));
  const gone = new Set(), waits = new Set();
  for (const peer of state.peers) {
    for (const other of peer.neighbours) if (other.state !== "up") gone.add(edgeName(peer.peer, other.peer));
    for (const other of peer.waits) waits.add(edgeName(peer.peer, other));
  }
  const links = state.edges.map(([one, other]) => {
    const name = edgeName(one, other);
    const kind = waits.has(name) ? "link waits" : state.going && gone.has(name) ? "link gone" : "link";
    return make("line", { x1: place[one][0], y1: place[one][1], x2: place[other][0], y2: place[other][1], class: kind });
  });
  const peers = state.peers.filter((peer) => place[peer.peer]).map((peer) => {
    const group = make("g", { class: `peer ${kindOf(peer)}`, "data-peer": peer.peer });
    group.append(make("title", {}, `peer ${peer.peer}: ${stateWords(peer)}, round ${peer.round}; ${neighbourWords(peer)}`));
    group.append(markOf(kindOf(peer), ...place[peer.peer], radius));
    if (radius > 8) group.append(make("text", { x: place[peer.peer][0], y: place[peer.peer][1] }, peer.peer));
    return group;
  });
  svg.replaceChildren(...links, ...peers);
  // The key speaks of what is drawn alone.
  for (const word of at("kinds").children) word.hidden = !svg.querySelector(`.${word.className}`);
}

// How far the two peers are apart that are drawn nearest to each other.
function nearest(place) {
  let least = Infinity;
  for (let one = 0; one < place.length; one += 1)
    for (let other = 0; other < one; other += 1)
      least = Math.min(least, Math.hypot(place[one][0] - place[other][0], place[one][1] - place[other][1]));
  return least;
}

function edgeName(one, other) {
  return one < other ? `${one}-${other}` : `${other}-${one}`;
}

function drawCurves(state) {
  const svg = at("curve"), [width, height] = sized(svg), left = 48, right = 12, top = 12, bottom = 34;
  const scored = state.curves.some((curve) => curve.points.some((point) => point[1] !== null));
  at("metric").textContent = scored ? "UF1" : "Training loss";
  const value = (point) => (scored ? point[1] : point[2]);
  const all = state.curves.flatMap((curve) => curve.points.map(value)).filter((each) => each !== null);
  const high = scored ? 1 : Math.max(1e-9, ...all);
  const x = (round) => left + (width - left - right) * (round - 1) / Math.max(1, state.rounds - 1);
  const y = (each) => height - bottom - (height - top - bottom) * each / high;
  const parts = [];
  for (let step = 0; step <= 4; step += 1) {
    const each = high * step / 4;
    parts.push(make("line", { x1: left, x2: width - right, y1: y(each), y2: y(each), class: "axis" }));
    parts.push(make("text", { x: left - 8, y: y(each) + 4, "text-anchor": "end", class: "tick" }, each.toFixed(2)));
  }
  // The word stands with the first number: one by itself between the ticks hid a tick of a long run or a narrow screen.
  for (const round of new Set([1, Math.ceil(state.rounds / 2), state.rounds])) {
    const anchor = round === 1 ? "start" : round === state.rounds ? "end" : "middle";
    parts.push(make("text", { x: x(round), y: height - 12, "text-anchor": anchor, class: "tick" }, round === 1 ? "round 1" : round));
  }
  const sums = new Map();
  let asked = 0; // a peer without clips to be asked about has no part in the mean, and takes none of it away
  for (const curve of state.curves) {
    const points = curve.points.filter((point) => value(point) !== null);
    asked += points.length > 0;
    for (const point of points) {
      const [sum, count] = sums.get(point[0]) || [0, 0];
      sums.set(point[0], [sum + value(point), count + 1]);
    }
    const line = make("path", { d: path(points.map((point) => [x(point[0]), y(value(point))])), "data-peer": curve.peer,
      class: curve.peer === chosen ? "line chosen" : "line" });
    const last = points[points.length - 1];
    line.append(make("title", {}, last ? `peer ${curve.peer}: ${value(last).toFixed(3)} after round ${last[0]}` : ""));
    line.addEventListener("pointerenter", () => {
      chosen = curve.peer;
      at("at").textContent = line.querySelector("title").textContent;
      for (const each of svg.querySelectorAll(".line")) each.classList.toggle("chosen", each === line);
    });
    parts.push(line);
  }
  const mean = [...sums].filter(([, [, count]]) => count === asked).sort((a, b) => a[0] - b[0]);
  const means = mean.map(([round, [sum, count]]) => [x(round), y(sum / count)]);
  parts.push(make("path", { d: path(means), class: "line mean" }));
  if (asked > 1 && means.length) {
    const [end, high] = means[means.length - 1], late = end > width / 2;
    parts.push(make("text", { x: end + (late ? -4 : 4), y: Math.max(top + 10, high - 8), class: "tick mean",
      "text-anchor": late ? "end" : "start" }, `mean of ${asked}`));
  }
  svg.replaceChildren(...parts);
}

function path(points) {
  return points.map(([x, y], index) => `${index ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
}

function drawTable(state) {
  const head = document.querySelector("#table thead tr");
  if (!head.children.length) COLUMNS.forEach(([title, , , meaning], column) => {
    const cell = Object.assign(document.createElement("th"), { scope: "col" }), button = document.createElement("button");
    button.textContent = title;
    if (meaning) button.title = meaning;
    button.addEventListener("click", () => {
      sorting = { column, ascending: sorting.column === column && sorting.asked ? !sorting.ascending : true, asked: true };
      drawTable(latest);
    });
    cell.append(button);
    head.append(cell);
  });
  [...head.children].forEach((cell, column) => {
    if (column === sorting.column) cell.setAttribute("aria-sort", sorting.ascending ? "ascending" : "descending");
    else cell.removeAttribute("aria-sort");
  });
  const key = COLUMNS[sorting.column][1], sign = sorting.ascending ? 1 : -1;
  const order = (one, other) => {
    const troubled = (kindOf(other) === "trouble") - (kindOf(one) === "trouble");
    if (!sorting.asked && troubled) return troubled;
    const [a, b] = [key(one), key(other)];
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (a < b ? -1 : a > b ? 1 : 0);
  };
  const rows = [...state.peers].sort(order).map((peer) => {
    const row = document.createElement("tr");
    row.className = kindOf(peer);
    for (const [, of, digits] of COLUMNS) {
      const cell = document.createElement("td"), each = of(peer);
      cell.textContent = digits === undefined ? (each ?? "") : number(each, digits);
      row.append(cell);
    }
    return row;
  });
  at("rows").replaceChildren(...rows);
}

function drawEvents(state) {
  at("events").replaceChildren(...state.events.map((event) => {
    const item = document.createElement("li"), time = document.createElement("time");
    time.textContent = new Date(event.t * 1000).toLocaleTimeString();
    item.append(time, `peer ${event.peer}: ${event.words}`);
    return item;
  }));
}

function draw(state) {
  latest = state;
  document.title = `${state.name}: p2pme watch`;
  at("name").textContent = state.name;
  at("facts").textContent = `${state.peers.length} peer${state.peers.length === 1 ? "" : "s"}, ${state.graph}, ${state.protocol}` + (state.going ? "" : ", ended");
  at("network").textContent = state.network;
  at("warning").hidden = !state.warnings.length;
  at("warning").textContent = state.warnings.join("; ");
  drawSums(state);
  drawGraph(state);
  drawCurves(state);
  drawTable(state);
  drawEvents(state);
}

async function look() {
  try {
    const answer = await fetch("state.json");
    if (!answer.ok) throw new Error(`the command answered ${answer.status}`);
    draw(await answer.json());
    at("trouble").hidden = true;
  } catch (error) {
    at("trouble").hidden = false;
    at("trouble").textContent = error instanceof TypeError
      ? "The command has ended; this is how the run stood then." : `What came cannot be shown: ${error.message}.`;
  }
  setTimeout(look, 1000);
}

look();
document.documentElement.className = "started";
