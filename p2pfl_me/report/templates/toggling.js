// A button for each line of a figure shows or hides it, with all that belongs to it; "all" brings back, or clears.
for (const holder of document.querySelectorAll("[data-series]")) {
  const figure = holder.closest("figure");
  const added = row(figure, "Lines to show");
  const all = added("all", () => {
    const shown = switches.some(({ on }) => !on());
    for (const each of switches) each.set(shown);
  });
  const switches = JSON.parse(holder.dataset.series).map((name, number) => {
    const parts = figure.querySelectorAll(`[data-line="${number}"]`);
    const on = () => button.getAttribute("aria-pressed") === "true";
    const set = (shown) => {
      button.setAttribute("aria-pressed", shown);
      for (const part of parts) part.classList.toggle("hidden", !shown);
      all.textContent = switches.every((each) => each.on()) ? "none" : "all";
    };
    const button = added(name, () => set(!on()));
    button.setAttribute("aria-pressed", true);
    return { on, set };
  });
  all.textContent = "none";
}
