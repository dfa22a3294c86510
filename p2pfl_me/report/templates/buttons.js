// A row of buttons above a figure's files; what it gives back adds one.
const row = (figure, label) => {
  const group = document.createElement("div");
  group.className = "toggles";
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", label);
  figure.querySelector(".files").before(group);
  return (name, press) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", press);
    group.append(button);
    return button;
  };
};
