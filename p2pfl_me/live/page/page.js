// The page: consent, then pictures to the server and reports back, then what they say.

import { Capture, openCamera } from "./capture.js";
import { LANE, drawBoxes, drawIndex, drawTimeline, laneCount, signed } from "./drawing.js";

const $ = (id) => document.getElementById(id);
const seconds = (value) => value.toFixed(2);
const facts = await (await fetch("facts.json")).json();
const film = facts.source === "film";

const state = {
  samples: [], events: [], points: [], latencies: [], sent: new Map(), marks: new Map(),
  persons: [], now: 0, size: { width: 640, height: 480 }, lastFace: 0, stream: null, socket: null, capture: null,
};
window.p2pme = { events: state.events, facts }; // what the tests read

const names = facts.abstainBelow === null ? "spots expressions, names none (no model given)"
  : `${facts.model}, ${facts.abstainBelow > 1 ? "names none" : `names none below ${facts.abstainBelow.toFixed(2)}`}`;
$("subtitle").textContent = [film ? facts.film : "", names]
  .filter(Boolean).join(" · ");
if (film) {
  $("consent-title").textContent = "Before the film starts";
  $("start").textContent = "Start the film";
  $("consent").querySelector("p").textContent =
    "This page marks brief facial expressions in a film. The film stays on this computer; nothing is recorded. What you " +
    "may save is a list of times, without pictures.";
  $("agree-text").textContent = "Everyone in the film knows this and agrees.";
  document.querySelector("#meter-camera dt").textContent = "Film";
}
$("agree").addEventListener("change", () => ($("start").disabled = !$("agree").checked));
$("start").addEventListener("click", start);
$("stop").addEventListener("click", () => stop("Stopped."));
$("download").addEventListener("click", download);

async function start() {
  $("start").disabled = true;
  try {
    if (!film) state.stream = await openCamera($("video"));
  } catch (error) {
    const known = {
      NotFoundError: "No camera was found. Connect one, or show a film: p2pme live MODEL --source FILE",
      NotAllowedError: "The browser was not allowed to use the camera. Allow it for this page and load it again.",
      NotReadableError: "The camera is there but cannot be read: another program may hold it.",
    };
    fail(known[error.name] ?? error.message);
    return;
  }
  const socket = new WebSocket(new URL("watch", location.href.replace(/^http/, "ws")));
  state.socket = socket;
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    socket.send(JSON.stringify({ say: "consent" }));
    show();
    if (!film) state.capture = new Capture($("video"), (message, number, captured) => {
      state.sent.set(number, captured);
      if (socket.readyState === WebSocket.OPEN) socket.send(message);
    });
  };
  socket.onmessage = ({ data }) => receive(data, socket);
  socket.onclose = (event) => {
    if (!state.socket) return;
    if (event.code === 1008) stop("");
    else if (event.code === 1013) fail("Too many pages are open already. Close one.");
    else fail("The p2pme command has ended, or cannot be reached. Start it again and open its new address.");
  };
}

function show() {
  $("consent").hidden = true;
  $("stage").hidden = false;
  $("notice").hidden = $("stop").hidden = false;
  $("notice-text").textContent = film ? "The film is being watched. Nothing is recorded." : "Camera on. Nothing is recorded.";
  $("video").hidden = film;
  $("film").hidden = !film;
  $("index-section").hidden = !facts.classes.length;
  requestAnimationFrame(draw);
}

async function receive(data, socket) {
  if (typeof data === "string") {
    const report = JSON.parse(data);
    if (report.say === "error") return fail(report.what);
    if (report.say === "end") return stop("The film is over.");
    state.capture?.answered();
    const captured = state.sent.get(report.number);
    state.sent.delete(report.number);
    return take(report, performance.now() - captured);
  }
  const begun = performance.now();
  const length = new DataView(data).getUint32(0, true);
  const report = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const picture = await createImageBitmap(new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" }));
  const canvas = $("film");
  if (canvas.width !== picture.width) [canvas.width, canvas.height] = [picture.width, picture.height];
  canvas.getContext("2d").drawImage(picture, 0, 0);
  picture.close();
  take(report, report.workMs + performance.now() - begun);
  if (socket.readyState === WebSocket.OPEN) socket.send("shown");
}

function take(report, latency) {
  state.now = report.time;
  state.persons = report.persons;
  state.latencies.push(latency);
  if (state.latencies.length > 300) state.latencies.shift();
  if (report.persons.length) state.lastFace = report.time;
  for (const each of report.persons) {
    if (each.evidence !== null) {
      state.samples.push({ person: each.person, time: each.evidenceTime, evidence: each.evidence, threshold: each.threshold });
    }
    if (each.index !== null) state.points.push({ person: each.person, time: report.time, value: each.index });
  }
  if (state.samples.length > 4000) state.samples.splice(0, 1000);
  if (state.points.length > 20000) state.points.splice(0, 5000);
  report.events.forEach(addEvent);
  meters(report);
}

function addEvent(event) {
  state.events.push(event);
  $("download").disabled = false;
  $("no-events").hidden = true;
  const expression = event.kind === "micro" || event.kind === "macro";
  const words = { micro: "micro-expression", macro: "longer expression" };
  const cells = [
    [`${event.person}`], [words[event.kind] ?? event.kind + ", left out"],
    [event.label || (event.abstained ? "no class" : "–"), event.probability === null ? "" : `p ${event.probability.toFixed(2)}`],
    [seconds(event.onset), "", "number"], [seconds(event.apex), "", "number"], [seconds(event.offset), "", "number"],
    [event.where], [event.evidence.toFixed(1), "", "number"],
  ];
  const row = document.createElement("tr");
  if (!expression) row.className = "left-out";
  for (const [text, small, name] of cells) {
    const cell = row.insertCell();
    cell.textContent = text;
    if (name) cell.className = name;
    if (small) cell.append(" ", Object.assign(document.createElement("small"), { textContent: small }));
  }
  $("events").prepend(row);
  if (!expression) return;
  state.marks.set(event.person, event.label || words[event.kind]);
  setTimeout(() => state.marks.delete(event.person), 1500);
}

function meters(report) {
  const put = (id, value) => (document.querySelector(`#${id} b`).textContent = value);
  const sorted = [...state.latencies].sort((a, b) => a - b);
  const at = (share) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]);
  put("meter-camera", report.cameraFps === null ? "–" : Math.round(report.cameraFps));
  put("meter-latency", at(0.5));
  put("meter-p95", at(0.95));
  put("meter-dropped", report.dropped);
  document.querySelector("#meter-camera .note").textContent =
    report.watchedFps === null ? "" : `${Math.round(report.watchedFps)} of them watched`;
  const behind = report.watchedFps !== null && report.watchedFps < facts.leastFps;
  const slow = report.cameraFps !== null && report.cameraFps < facts.wantedFps;
  $("meter-camera").className = slow || behind ? "alarm" : "";
  $("rate-warning").hidden = !slow && !behind;
  if (behind) {
    $("rate-warning").textContent =
      `Only ${Math.round(report.watchedFps)} pictures a second are watched: too few to spot anything. Close other ` +
      "programs, give the room more light, or take a faster computer.";
  } else if (slow) {
    $("rate-warning").textContent =
      `${Math.round(report.cameraFps)} pictures a second is below ${facts.wantedFps}. A micro-expression lasts half a ` +
      "second at most, and most training data was taken at 100 to 200.";
  }
}

function draw() {
  if ($("stage").hidden) return;
  const source = film ? $("film") : $("video");
  state.size = film ? { width: source.width, height: source.height }
    : { width: source.videoWidth || 640, height: source.videoHeight || 480 };
  drawBoxes($("overlay"), state.persons, state.size, state.marks);
  const lanes = laneCount(state.samples, state.events, state.now, $("timeline").clientWidth);
  $("timeline").style.setProperty("height", `${Math.max(176, LANE * lanes + 20)}px`);
  drawTimeline($("timeline"), state.samples, state.events, state.now);
  if (facts.classes.length) drawIndex($("index"), state.points, state.now);
  const learning = state.persons.find((each) => each.state === "learning");
  const marked = state.persons.filter((each) => state.marks.has(each.person));
  $("state").textContent = !state.socket ? "Nothing is watched any more"
    : !state.latencies.length ? "Waiting for the first picture"
    : !state.persons.length ? "No face is seen. Face the camera, in good light, and nearer."
    : marked.length ? marked.map(({ person }) => `Person ${person}: ${state.marks.get(person)}`).join(" · ")
    : learning ? `Learning the neutral face of person ${learning.person}: keep still for ${facts.baseline} s`
    : "No event";
  const people = state.persons.map((each) => {
    const node = document.createElement("div");
    node.className = "person";
    const title = Object.assign(document.createElement("strong"), { textContent: `Person ${each.person} ` });
    const text = each.state === "watching" ? "neutral face known" : "learning the neutral face";
    node.append(title, Object.assign(document.createElement("span"), { textContent: text }));
    if (each.index !== null) node.append(` · index ${signed(each.index)}`);
    if (each.state !== "watching") node.append(Object.assign(document.createElement("progress"), { value: each.progress }));
    return node;
  });
  $("people").replaceChildren(...people);
  setTimeout(() => requestAnimationFrame(draw), 80);
}

function stop(why) {
  const socket = state.socket;
  state.socket = null;
  state.capture?.stop();
  state.stream?.getTracks().forEach((track) => track.stop());
  socket?.close();
  $("stop").hidden = true;
  $("notice").hidden = !why;
  $("notice-text").textContent = film ? why : `Camera off. ${why}`;
  document.querySelector(".dot").hidden = true;
}

function fail(what) {
  stop("");
  $("trouble").hidden = false;
  $("trouble-text").textContent = what;
}

function download() {
  const columns = ["person", "kind", "label", "probability", "onset", "apex", "offset", "where", "evidence"];
  const head = columns.map((name) => (["onset", "apex", "offset"].includes(name) ? `${name}_s` : name)).join(",");
  const rows = state.events.map((event) => columns.map((name) => event[name] ?? "").join(","));
  const file = new Blob([[head, ...rows].join("\r\n") + "\r\n"], { type: "text/csv" });
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: "intervals.csv" });
  link.click();
  URL.revokeObjectURL(link.href);
}
