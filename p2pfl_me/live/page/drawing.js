// Everything that is drawn on a canvas: boxes on the picture, evidence and events over time, the index.

const SPAN = 30; // seconds that the timeline shows; half of them on a narrow page

const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function prepared(canvas) {
  const scale = devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, sans-serif";
  return { context, width, height };
}

// A box with round corners, where the browser can round them.
function box(context, x, y, width, height, radius) {
  context.beginPath();
  if (context.roundRect) context.roundRect(x, y, width, height, radius);
  else context.rect(x, y, width, height);
}

export function drawBoxes(canvas, persons, size, marks) {
  const { context, width } = prepared(canvas);
  const scale = width / size.width;
  for (const { person, box: place, state, progress } of persons) {
    const [x, y, side] = place.map((value) => value * scale);
    const mark = marks.get(person);
    context.lineWidth = mark ? 3 : 2;
    context.strokeStyle = mark ? style("--vermilion") : state === "watching" ? "#ffffffd0" : "#ffffff80";
    box(context, x, y, side, side, 8);
    context.stroke();
    const doing = { watching: "", slow: " · too slow to watch", learning: ` · learning ${Math.round(100 * progress)} %` };
    const text = mark || `person ${person}${doing[state]}`;
    context.font = "600 13px system-ui, sans-serif";
    const long = context.measureText(text).width + 14;
    const top = Math.max(2, y - 26);
    context.fillStyle = mark ? style("--vermilion") : "#14171bd0";
    box(context, x, top, long, 22, 5);
    context.fill();
    context.fillStyle = mark ? style("--paper") : "#fff";
    context.fillText(text, x + 7, top + 15);
  }
}

export const LANE = 146; // height of one person's part of the timeline, in pixels
const FOOT = 20; // below it the seconds

export function laneCount(samples, events, now, width) {
  return Math.max(1, lanes(samples, events, now - spanOf(width)).length);
}

// `place` is where a film that is shown again stands; undefined while it is watched.
export function drawTimeline(canvas, samples, events, now, place) {
  const { context, width, height } = prepared(canvas);
  const left = 28, span = spanOf(width), begin = Math.max(0, now - span);
  const x = (time) => left + ((time - begin) / span) * (width - left - 4);
  const persons = lanes(samples, events, begin);
  const tall = (height - FOOT) / Math.max(1, persons.length);
  (persons.length ? persons : [null]).forEach((person, index) => {
    const mine = (list) => list.filter((each) => each.person === person);
    drawLane(context, mine(samples.filter((each) => each.time >= begin - 1)), mine(events), {
      x, begin, left, right: width - 4, top: index * tall + (persons.length > 1 ? 22 : 8), bottom: (index + 1) * tall - 6,
      title: persons.length > 1 ? `Person ${person}` : "",
    });
  });
  drawSeconds(context, x, begin, span, 5, height - 5, width);
  if (place === undefined) return;
  context.strokeStyle = style("--blue");
  context.lineWidth = 2;
  stroke(context, [[x(place), 0], [x(place), height - FOOT]]);
}

export const spanOf = (width) => (width < 520 ? SPAN / 2 : SPAN);

const lanes = (samples, events, begin) =>
  [...new Set([...samples.filter((each) => each.time >= begin), ...events.filter((each) => each.offset >= begin)]
    .map((each) => each.person))].sort((one, other) => one - other);

function drawLane(context, samples, events, { x, begin, left, right, top, bottom, title }) {
  const most = Math.max(4, ...samples.map((each) => Math.max(each.evidence, each.threshold))) + 0.5;
  const y = (value) => bottom - (Math.max(0, value) / most) * (bottom - top);
  context.lineWidth = 1;
  context.fillStyle = style("--muted");
  context.strokeStyle = style("--rule");
  context.textAlign = "right";
  for (let value = 0; value < most; value += 2) {
    stroke(context, [[left, y(value)], [right, y(value)]]);
    context.fillText(value, left - 7, y(value) + 4);
  }
  context.textAlign = "left";
  context.fillText(title, left, top - 6);
  context.save();
  context.beginPath();
  context.rect(left, 0, right - left, bottom);
  context.clip();
  context.textAlign = "center";
  const colours = { micro: ["--vermilion", 0.55], macro: ["--blue", 0.4] };
  let free = -Infinity; // a word that would run into the one before it is left to the table
  for (const event of [...events].sort((one, other) => one.apex - other.apex)) {
    if (event.offset < begin) continue;
    const [colour, alpha] = colours[event.kind] ?? ["--muted", 0.3];
    context.globalAlpha = alpha;
    context.fillStyle = style(colour);
    const wide = Math.max(2, x(event.offset) - x(event.onset));
    context.fillRect(x(event.onset), top, wide, bottom - top);
    context.globalAlpha = 1;
    // In grey the three kinds are told apart by these: a cap, a frame, nothing.
    if (event.kind === "micro") context.fillRect(x(event.onset), top, wide, 4);
    context.strokeStyle = style(colour);
    if (event.kind === "macro") context.strokeRect(x(event.onset) + 0.5, top + 0.5, wide - 1, bottom - top - 1);
    const long = context.measureText(event.label).width;
    if (event.kind !== "micro" || !event.label || x(event.apex) - long / 2 < free) continue;
    context.fillStyle = style("--ink");
    context.fillText(event.label, x(event.apex), top + 14);
    free = x(event.apex) + long / 2 + 5;
  }
  for (const [key, colour, dash] of [["threshold", "--muted", [4, 4]], ["evidence", "--ink", []]]) {
    context.strokeStyle = style(colour);
    context.lineWidth = 1.3;
    context.setLineDash(dash);
    stroke(context, samples.map((each) => [x(each.time), y(each[key])]), x(0.5) - x(0));
  }
  context.restore();
}

// A line through points; where the next is farther than `gap` to the right, it begins anew.
function stroke(context, points, gap = Infinity) {
  context.beginPath();
  let last = -Infinity;
  for (const [x, y] of points) {
    if (x - last > gap || last === -Infinity) context.moveTo(x, y);
    else context.lineTo(x, y);
    last = x;
  }
  context.stroke();
}

function drawSeconds(context, x, begin, span, step, y, width) {
  context.fillStyle = style("--muted");
  for (let time = Math.ceil(begin / step) * step; time <= begin + span; time += step) {
    const text = `${time} s`, half = context.measureText(text).width / 2;
    context.textAlign = "center";
    context.fillText(text, Math.min(Math.max(x(time), half), width - half), y);
  }
}

export function drawIndex(canvas, points, now) {
  const { context, width, height } = prepared(canvas);
  const left = 28, bottom = height - 24, top = 8;
  const begin = Math.max(0, now - 300), span = Math.max(60, now - begin);
  const x = (time) => left + ((time - begin) / span) * (width - left - 4);
  const y = (value) => (top + bottom) / 2 - (value * (bottom - top)) / 2;
  context.fillStyle = style("--muted");
  context.strokeStyle = style("--rule");
  context.textAlign = "right";
  for (const value of [-1, 0, 1]) {
    stroke(context, [[left, y(value)], [width - 4, y(value)]]);
    context.fillText(signed(value, 0), left - 7, y(value) + 4);
  }
  drawSeconds(context, x, begin, span, span > 120 ? 60 : 10, height - 3, width);
  const persons = [...new Set(points.map((each) => each.person))];
  if (!persons.length) {
    context.fillText("unknown as yet", left + (width - left) / 2, y(0) - 6);
    return;
  }
  const dashes = [[], [7, 4], [2, 3], [10, 3, 2, 3]];
  const ends = []; // where lines end together, one label names them all
  persons.forEach((person, index) => {
    const line = points.filter((each) => each.person === person && each.time >= begin);
    if (!line.length) return;
    context.strokeStyle = style("--green");
    context.lineWidth = 2;
    context.setLineDash(dashes[index % dashes.length]);
    stroke(context, line.map((each) => [x(each.time), y(each.value)]), x(1) - x(0));
    const { time, value } = line[line.length - 1] /* browsers of 2021 have no at() */;
    const together = ends.find((each) => Math.abs(each.y - y(value)) < 13);
    if (together) together.text += `, ${person}`;
    else ends.push({ x: x(time) + 6, y: y(value), text: `person ${person}` });
  });
  context.setLineDash([]);
  if (persons.length < 2) return;
  context.textAlign = "left";
  for (const end of ends) {
    const long = context.measureText(end.text).width;
    context.fillText(end.text, Math.min(end.x, width - long), end.y + (end.x + long > width ? -6 : 4));
  }
}

export const signed = (value, digits = 2) =>
  (value > 0 ? "+" : value < 0 ? "\u2212" : "") + Math.abs(value).toFixed(digits);
