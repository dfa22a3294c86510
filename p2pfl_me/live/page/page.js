// The page: consent, then pictures to the server and reports back, then what they say.

import { Capture, decodeJpeg, openCamera, sentSize } from "./capture.js";
import { LANE, drawBoxes, drawIndex, drawTimeline, laneCount, signed, spanOf } from "./drawing.js";
import { Replay } from "./replay.js";

const KINDS = { micro: "micro-expression", macro: "longer expression" };
const $ = (id) => document.getElementById(id);
const SILENT = 1500; // milliseconds without a picture from which that is said
const seconds = (value) => value.toFixed(2);
const facts = await (await fetch("facts.json")).json();
const film = facts.source === "film";
const MOST_SAMPLES = film ? 200000 : 4000; // a film's are seen again
const replay = new Replay(showFilm, replayed);

const state = {
  samples: [], events: [], points: [], latencies: [], sent: new Map(), marks: new Map(),
  persons: [], now: 0, size: { width: 640, height: 480 }, stream: null, socket: null, capture: null,
  absences: [], lacking: null, heard: 0, muted: false,
};
window.p2pme = { events: state.events, absences: state.absences, facts, reports: 0 }; // what the tests read

const names = facts.abstainBelow === null ? "spots expressions, names none (no model given)"
  : `${facts.model}, ${facts.abstainBelow > 1 ? "names none" : `names none below ${facts.abstainBelow.toFixed(2)}`}`;
const network = facts.network && `network: ${facts.network}`;
$("subtitle").textContent = [film ? facts.film : "", names, network, ...facts.said]
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
$("start").disabled = !$("agree").checked; // it may have been ticked before this script was here
$("start").addEventListener("click", start);
$("stop").addEventListener("click", () => stop("Stopped."));
$("download").addEventListener("click", download);
$("play").addEventListener("click", () => (replay.playing ? replay.pause() : replay.play()));
$("seek").addEventListener("input", () => {
  replay.pause();
  replay.seek($("seek").valueAsNumber);
});

const REASONS = {
  NotFoundError: "No camera was found. Connect one, or show a film: p2pme live MODEL --source FILE",
  NotAllowedError: "The browser was not allowed to use the camera. Allow it for this page, then start again.",
  NotReadableError: "The camera is there but cannot be read: another program may hold it. Close that, then start again.",
  OverconstrainedError: "The camera gives no picture of the size or rate that was asked for",
  AbortError: "The camera stopped before it gave a picture. Connect it anew, then start again.",
  SecurityError: "The browser forbids pages the camera: its settings, or those of this computer, say so.",
};

function reasonOf(error) {
  const known = REASONS[error.name] ?? (error.message || `The camera cannot be used (${error.name}).`);
  return error.name === "OverconstrainedError" ? `${known}${error.constraint ? ` (${error.constraint})` : ""}.` : known;
}

async function start() {
  $("start").disabled = true;
  $("trouble").hidden = true;
  try {
    if (!film) state.stream = await openCamera($("video"));
  } catch (error) {
    fail(reasonOf(error));
    return;
  }
  for (const track of state.stream?.getVideoTracks() ?? []) {
    track.addEventListener("ended", () => stop("The camera is gone: it was unplugged, or taken away from this page."));
    track.addEventListener("mute", () => (state.muted = true));
    track.addEventListener("unmute", () => (state.muted = false));
  }
  let socket;
  try {
    socket = new WebSocket(new URL("watch", location.href.replace(/^http/, "ws")));
  } catch (error) {
    fail(`This browser gives pages no connection to p2pme (${error.name}): its settings, or an extension, say so.`);
    return;
  }
  state.socket = socket;
  socket.binaryType = "arraybuffer";
  socket.onopen = () => {
    socket.send(JSON.stringify({ say: "consent" }));
    show();
    if (film) return;
    try {
      state.capture = new Capture($("video"), (message, number, captured) => {
        state.sent.set(number, captured);
        if (socket.readyState === WebSocket.OPEN) socket.send(message);
      }, (error) => fail(error.message));
    } catch (error) {
      fail(error.message);
    }
  };
  socket.onmessage = ({ data }) => receive(data, socket).catch((error) => fail(error.message));
  socket.onclose = (event) => {
    if (state.socket !== socket) return;
    if (event.code === 1008) stop("");
    else if (event.code === 1013) fail("Too many pages are open already. Close one, then start again.");
    else fail("The p2pme command has ended, or cannot be reached. Start it again and open its new address.");
  };
}

function show() {
  $("consent").hidden = true;
  $("stage").hidden = false;
  $("notice").hidden = $("stop").hidden = false;
  document.querySelector(".dot").hidden = false;
  state.heard = performance.now();
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
    if (report.say === "end") {
      report.events.forEach(addEvent);
      report.absences.forEach(addAbsence);
      state.lacking = null;
      stop(["The film is over.", report.words].filter(Boolean).join(" Of it: "));
      return showAgain();
    }
    state.capture?.answered();
    const captured = state.sent.get(report.number);
    state.sent.delete(report.number);
    return take(report, performance.now() - captured);
  }
  const begun = performance.now();
  const length = new DataView(data).getUint32(0, true);
  const report = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  const jpeg = new Uint8Array(data, 4 + length);
  showFilm(await decodeJpeg(jpeg), report.persons);
  replay.keep(report.time, report.persons, jpeg);
  take(report, report.workMs + performance.now() - begun);
  if (socket.readyState === WebSocket.OPEN) socket.send("shown");
}

function showFilm(picture, persons) {
  const canvas = $("film");
  if (canvas.width !== picture.width) [canvas.width, canvas.height] = [picture.width, picture.height];
  canvas.getContext("2d").drawImage(picture, 0, 0);
  picture.close();
  state.persons = persons;
}

function showAgain() {
  if (replay.shots.length < 2) return;
  $("replay").hidden = false;
  $("seek").max = replay.end;
  replay.seek(replay.end);
  for (const button of document.querySelectorAll("#events button")) button.disabled = false;
  replayed();
}

function replayed() {
  $("play").textContent = replay.playing ? "Pause" : "Play";
}

const again = () => !$("replay").hidden;

function take(report, latency) {
  state.now = report.time;
  state.persons = report.persons;
  state.lacking = report.lacking;
  state.heard = performance.now();
  state.latencies.push(latency);
  if (state.latencies.length > 300) state.latencies.shift();
  for (const each of report.persons) {
    if (each.evidence !== null) {
      state.samples.push({ person: each.person, time: each.evidenceTime, evidence: each.evidence, threshold: each.threshold });
    }
    if (each.index !== null) state.points.push({ person: each.person, time: report.time, value: each.index });
  }
  if (state.samples.length > MOST_SAMPLES) state.samples.splice(0, 1000);
  if (state.points.length > 20000) state.points.splice(0, 5000);
  report.events.forEach(addEvent);
  report.absences.forEach(addAbsence);
  meters(report);
  window.p2pme.reports += 1;
}

function addRow(cells, name) {
  $("download").disabled = false;
  $("no-events").hidden = true;
  const row = document.createElement("tr");
  row.className = name;
  for (const [text, small, kind] of cells) {
    const cell = row.insertCell();
    cell.textContent = text;
    if (kind) cell.className = kind;
    if (small) cell.append(" ", Object.assign(document.createElement("small"), { textContent: small }));
  }
  $("events").prepend(row);
  return row;
}

// The event's name becomes a button: it shows that part of the film again.
function leadToFilm(row, { onset, offset }) {
  Object.assign(row.dataset, { onset, offset });
  const cell = row.cells[1];
  const button = Object.assign(document.createElement("button"), {
    type: "button", disabled: !again(), title: "Show it again, once the film is over",
  });
  button.append(...cell.childNodes);
  button.addEventListener("click", () => replay.play(Math.max(0, onset - 0.5), Math.min(replay.end, offset + 0.5)));
  cell.append(button);
}

function addAbsence(absence) {
  state.absences.push(absence);
  const words = { "no face": "no face was seen", "no picture": "no picture came", "too slow": "too few pictures", "no motion": "the picture stood still", "no one face": "faces took each other's place" };
  addRow([
    ["–"], [words[absence.kind]], ["–"], [seconds(absence.onset), "", "number"], ["–", "", "number"],
    [seconds(absence.offset), "", "number"], ["–"], ["–", "", "number"],
  ], "left-out");
}

function addEvent(event) {
  state.events.push(event);
  const expression = event.kind === "micro" || event.kind === "macro";
  const cells = [
    [`${event.person}`], [KINDS[event.kind] ?? event.kind + ", left out"],
    [event.label || (event.abstained ? "no class" : "–"), event.probability === null ? "" : `p ${event.probability.toFixed(2)}`],
    [seconds(event.onset), "", "number"], [seconds(event.apex), "", "number"], [seconds(event.offset), "", "number"],
    [event.where], [event.evidence.toFixed(1), "", "number"],
  ];
  const row = addRow(cells, expression ? "" : "left-out");
  if (film) leadToFilm(row, event);
  if (!expression) return;
  state.marks.set(event.person, event.label || KINDS[event.kind]);
  setTimeout(() => state.marks.delete(event.person), 1500);
}

const put = (id, value) => (document.querySelector(`#${id} b`).textContent = value);

function meters(report) {
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
    : sentSize(source.videoWidth || 640, source.videoHeight || 480); // in which the boxes are given
  if (state.size.height) $("frame").style.setProperty("--ratio", state.size.width / state.size.height);
  const silent = state.socket ? performance.now() - state.heard : 0;
  // Who was seen last is not who is seen: nobody is, once nothing is watched.
  if (!again() && (!state.socket || silent > SILENT)) state.persons = [];
  const marks = again() ? marksAt(replay.place) : state.marks;
  window.p2pme.marks = Object.fromEntries(marks);
  drawBoxes($("overlay"), state.persons, state.size, marks);
  if (again()) drawPlace();
  const lanes = laneCount(state.samples, state.events, state.now, $("timeline").clientWidth);
  $("timeline").style.setProperty("height", `${Math.max(176, LANE * lanes + 20)}px`);
  drawTimeline($("timeline"), state.samples, state.events, state.now, again() ? replay.place : undefined);
  if (facts.classes.length) drawIndex($("index"), state.points, state.now);
  if (silent > SILENT || (!state.socket && !film)) for (const id of ["meter-camera", "meter-latency", "meter-p95"]) put(id, "–");
  if (!film) {
    $("notice-text").textContent = !state.socket ? $("notice-text").textContent
      : silent > SILENT ? "The camera gives no picture. Nothing is recorded." : "Camera on. Nothing is recorded.";
  }
  const learning = state.persons.find((each) => each.state === "learning");
  const marked = state.persons.filter((each) => state.marks.has(each.person));
  $("state").textContent = again() ? seenAt(replay.place)
    : !state.socket ? "Nothing is watched any more"
    : silent > SILENT ? noPicture(Math.round(silent / 1000))
    : !state.latencies.length ? "Waiting for the first picture"
    : !state.persons.length ? noFace()
    : state.lacking?.kind === "no motion" ? `The picture has stood still for ${Math.round(state.lacking.offset - state.lacking.onset)} s: nothing is watched`
    : state.lacking?.kind === "no one face" ? "Faces take each other's place from picture to picture: nothing is watched"
    : state.lacking?.kind === "too slow" || state.persons.every((each) => each.state === "slow") ? "Too few pictures a second: nothing is watched"
    : marked.length ? marked.map(({ person }) => `Person ${person}: ${state.marks.get(person)}`).join(" · ")
    : learning ? `Learning the neutral face of person ${learning.person}${film ? "" : ": keep still"} for ${facts.baseline} s`
    : "No event";
  const people = state.persons.map((each) => {
    const node = document.createElement("div");
    node.className = "person";
    const title = Object.assign(document.createElement("strong"), { textContent: `Person ${each.person} ` });
    const text = { watching: "neutral face known", learning: "learning the neutral face", slow: "too few pictures" }[each.state];
    node.append(title, Object.assign(document.createElement("span"), { textContent: text }));
    if (each.index !== null) node.append(` · index ${signed(each.index)}`);
    if (each.state === "learning") node.append(Object.assign(document.createElement("progress"), { value: each.progress }));
    return node;
  });
  $("people").replaceChildren(...people);
  setTimeout(() => requestAnimationFrame(draw), 80);
}

// Where the film stands that is shown again: in words of its own, for nothing is watched now.
function drawPlace() {
  const half = spanOf($("timeline").clientWidth) / 2;
  state.now = Math.min(Math.max(replay.place + half, 2 * half), Math.max(replay.end, 2 * half));
  if (document.activeElement !== $("seek") || replay.playing) $("seek").value = replay.place;
  $("place").textContent = `${seconds(replay.place)} of ${seconds(replay.end)} s`;
  for (const row of $("events").rows) {
    row.classList.toggle("now", row.dataset.onset <= replay.place && replay.place <= row.dataset.offset);
  }
}

const eventsAt = (time) => state.events.filter((each) => each.onset <= time && time <= each.offset);

// Whose box bears which name then; what the last seconds before the end had marked is past.
const marksAt = (time) => new Map(eventsAt(time).filter((each) => KINDS[each.kind])
  .map((each) => [each.person, each.label || KINDS[each.kind]]));

function seenAt(time) {
  const words = eventsAt(time).map((each) => `person ${each.person}: ${each.label || KINDS[each.kind] || `${each.kind}, left out`}`);
  return `Shown again, ${words.join(" · ") || "no event here"}`;
}

function noPicture(silent) {
  const why = document.hidden ? "this page is in the background"
    : state.muted ? "the camera is switched off, or held by another program"
    : film ? "the command is still at work" : "is the camera still connected?";
  return `No picture for ${silent} s: ${why}`;
}

function noFace() {
  const since = state.lacking ? ` for ${Math.round(state.lacking.offset - state.lacking.onset)} s` : "";
  return `No face is seen${since}.${film ? "" : " Face the camera, upright, in good light, and nearer."}`;
}

function stop(why) {
  const socket = state.socket;
  if (socket && state.lacking) addAbsence(state.lacking);
  state.lacking = null;
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
  $("start").disabled = !$("agree").checked; // whoever has mended it may start again
  if (!state.latencies.length) {
    $("stage").hidden = true;
    $("consent").hidden = false;
  }
}

// As CSV has it: a class may be called "happiness, or amusement".
const cell = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);

function download() {
  const columns = ["person", "kind", "label", "probability", "onset", "apex", "offset", "where", "evidence", "drawn"];
  const head = columns.map((name) => (["onset", "apex", "offset"].includes(name) ? `${name}_s` : name)).join(",");
  const rows = [...state.events, ...state.absences].sort((one, other) => one.onset - other.onset)
    .map((each) => columns.map((name) => cell(name === "drawn" && facts.drawn ? "yes" : each[name] ?? "")).join(","));
  const file = new Blob([[head, ...rows].join("\r\n") + "\r\n"], { type: "text/csv" });
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: "intervals.csv" });
  link.click();
  URL.revokeObjectURL(link.href);
}
