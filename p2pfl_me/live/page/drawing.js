// Everything that is drawn on a canvas: boxes on the picture, evidence and events over time, the index.

const SPAN = 30; // seconds that the timeline shows

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

export function drawBoxes(canvas, persons, size, marks) {
  const { context, width } = prepared(canvas);
  const scale = width / size.width;
  for (const { person, box, state, progress } of persons) {
    const [x, y, side] = box.map((value) => value * scale);
    const mark = marks.get(person);
    context.lineWidth = mark ? 3 : 2;
    context.strokeStyle = mark ? style("--vermilion") : state === "watching" ? "#ffffffd0" : "#ffffff80";
    context.beginPath();
    context.roundRect(x, y, side, side, 8);
    context.stroke();
    const text = mark || `person ${person}` + (state === "watching" ? "" : ` · learning ${Math.round(100 * progress)} %`);
    context.font = "600 13px system-ui, sans-serif";
    const long = context.measureText(text).width + 14;
    const top = Math.max(2, y - 26);
    context.fillStyle = mark ? style("--vermilion") : "#14171bd0";
    context.beginPath();
    context.roundRect(x, top, long, 22, 5);
    context.fill();
    context.fillStyle = mark ? "#14171b" : "#fff";
    context.fillText(text, x + 7, top + 15);
  }
}

export function drawTimeline(canvas, samples, events, now) {
  const { context, width, height } = prepared(canvas);
  const left = 28, bottom = height - 20, top = 8;
  const begin = Math.max(0, now - SPAN);
  const x = (time) => left + ((time - begin) / SPAN) * (width - left - 4);
  const shown = samples.filter((each) => each.time >= begin - 1);
  const most = Math.max(4, ...shown.map((each) => Math.max(each.evidence, each.threshold))) + 0.5;
  const y = (value) => bottom - (Math.max(0, value) / most) * (bottom - top);
  context.fillStyle = style("--muted");
  context.strokeStyle = style("--rule");
  context.lineWidth = 1;
  context.textAlign = "right";
  for (let value = 0; value < most; value += 2) {
    context.beginPath();
    context.moveTo(left, y(value));
    context.lineTo(width - 4, y(value));
    context.stroke();
    context.fillText(value, left - 7, y(value) + 4);
  }
  context.textAlign = "center";
  for (let time = Math.ceil(begin / 5) * 5; time <= begin + SPAN; time += 5) context.fillText(`${time} s`, x(time), height - 5);
  context.save();
  context.beginPath();
  context.rect(left, 0, width - left - 4, bottom);
  context.clip();
  const colours = { micro: ["--vermilion", 0.55], macro: ["--blue", 0.4] };
  for (const event of events) {
    if (event.offset < begin) continue;
    const [colour, alpha] = colours[event.kind] ?? ["--muted", 0.3];
    context.globalAlpha = alpha;
    context.fillStyle = style(colour);
    context.fillRect(x(event.onset), top, Math.max(2, x(event.offset) - x(event.onset)), bottom - top);
    context.globalAlpha = 1;
    if (event.kind === "micro" && event.label) {
      context.fillStyle = style("--ink");
      context.fillText(event.label, x(event.apex), top + 12);
    }
  }
  for (const person of new Set(shown.map((each) => each.person))) {
    const line = shown.filter((each) => each.person === person);
    for (const [key, colour, dash] of [["threshold", "--muted", [4, 4]], ["evidence", "--ink", []]]) {
      context.strokeStyle = style(colour);
      context.lineWidth = 1.4;
      context.setLineDash(dash);
      context.beginPath();
      let last = -Infinity;
      for (const each of line) {
        if (each.time - last > 0.5) context.moveTo(x(each.time), y(each[key]));
        else context.lineTo(x(each.time), y(each[key]));
        last = each.time;
      }
      context.stroke();
    }
  }
  context.restore();
}

export function drawIndex(canvas, points, now) {
  const { context, width, height } = prepared(canvas);
  const left = 28, bottom = height - 18, top = 8;
  const begin = Math.max(0, now - 300), span = Math.max(60, now - begin);
  const x = (time) => left + ((time - begin) / span) * (width - left - 4);
  const y = (value) => (top + bottom) / 2 - (value * (bottom - top)) / 2;
  context.fillStyle = style("--muted");
  context.strokeStyle = style("--rule");
  context.textAlign = "right";
  for (const value of [-1, 0, 1]) {
    context.beginPath();
    context.moveTo(left, y(value));
    context.lineTo(width - 4, y(value));
    context.stroke();
    context.fillText(value > 0 ? `+${value}` : value, left - 7, y(value) + 4);
  }
  context.textAlign = "center";
  const step = span > 120 ? 60 : 10;
  for (let time = Math.ceil(begin / step) * step; time <= begin + span; time += step) context.fillText(`${time} s`, x(time), height - 3);
  for (const person of new Set(points.map((each) => each.person))) {
    context.strokeStyle = style("--green");
    context.lineWidth = 2;
    context.beginPath();
    let last = -Infinity;
    for (const each of points.filter((each) => each.person === person && each.time >= begin)) {
      if (each.time - last > 1) context.moveTo(x(each.time), y(each.value));
      else context.lineTo(x(each.time), y(each.value));
      last = each.time;
    }
    context.stroke();
  }
}
