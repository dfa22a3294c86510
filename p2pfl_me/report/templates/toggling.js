// A button for each line of a figure shows or hides it, with all that belongs to it; "all" brings back, or clears.
for (const holder of document.querySelectorAll("[data-series]")) {
  const figure = holder.closest("figure");
  const row = document.createElement("div");
  row.className = "toggles";
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", "Lines to show");
  const added = (name, press) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", press);
    row.append(button);
    return button;
  };
  const all = added("all", () => {
    const shown = switches.some(({ on }) => !on());
    for (const each of switches) each.set(shown);
  });
  const switches = JSON.parse(holder.dataset.series).map((name, number) => {
    const values = [...figure.querySelectorAll(".tips circle")];
    const parts = [...figure.querySelectorAll(`[data-line="${number}"]`), ...values.filter((each) => each.textContent.startsWith(`${name}, `))];
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
  figure.querySelector(".files").before(row);
}
