// "larger", or a double click on a place, shows a figure larger; then it can be dragged or moved by the arrow keys.
for (const figure of document.querySelectorAll("figure")) {
  const drawings = [...figure.querySelectorAll("svg")].map((svg) => ({ svg, box: svg.getAttribute("viewBox").split(" ").map(Number) }));
  if (!drawings.length) continue;
  let view = { x: 0, y: 0, share: 1 };  // of the whole: its left and upper border, and how much of it is seen
  const added = row(figure, "Size of the figure");
  const show = (x, y, share) => {
    const inside = (each) => Math.min(Math.max(each, 0), 1 - share);
    view = { x: inside(x), y: inside(y), share };
    for (const { svg, box: [left, top, width, height] } of drawings) {
      svg.setAttribute("viewBox", `${left + view.x * width} ${top + view.y * height} ${share * width} ${share * height}`);
      svg.classList.toggle("near", share < 1);
      if (share < 1) svg.setAttribute("tabindex", "0"); else svg.removeAttribute("tabindex");
    }
    whole.hidden = share === 1;
  };
  const larger = (x, y) => {
    const share = Math.max(view.share / 2, 1 / 16);
    show(x - share / 2, y - share / 2, share);
  };
  const place = (svg, event) => {
    const box = svg.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  added("larger", () => larger(view.x + view.share / 2, view.y + view.share / 2));
  const whole = added("whole", () => show(0, 0, 1));
  whole.hidden = true;
  for (const { svg } of drawings) {
    let from = null;
    svg.addEventListener("dblclick", (event) => {
      const [x, y] = place(svg, event);
      event.preventDefault();
      larger(view.x + x * view.share, view.y + y * view.share);
    });
    svg.addEventListener("pointerdown", (event) => {
      if (view.share < 1) from = { at: place(svg, event), view };
    });
    svg.addEventListener("pointermove", (event) => {
      if (!from) return;
      const [x, y] = place(svg, event);
      show(from.view.x - (x - from.at[0]) * view.share, from.view.y - (y - from.at[1]) * view.share, view.share);
    });
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) svg.addEventListener(end, () => { from = null; });
    svg.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.key === "Escape") show(0, 0, 1);
      if (!step || view.share === 1) return;
      event.preventDefault();
      show(view.x + step[0] * view.share / 4, view.y + step[1] * view.share / 4, view.share);
    });
  }
  window.addEventListener("beforeprint", () => show(0, 0, 1));
}
