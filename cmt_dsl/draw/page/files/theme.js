// Dark and light: as the system says, until the button says otherwise.
const dark = matchMedia("(prefers-color-scheme: dark)");
const themes = { system: ["◐", "as the system"], light: ["☀", "light"], dark: ["☾", "dark"] };
let theme = remembered("cmt-theme", "system");

function remembered(key, fallback) {
  try {
    const value = localStorage.getItem(key);
    return value in themes ? value : fallback;
  } catch {
    return fallback; // a browser may forbid storage for files
  }
}

function applyTheme() {
  const actual = theme === "system" ? (dark.matches ? "dark" : "light") : theme;
  document.documentElement.dataset.theme = actual;
  const button = document.getElementById("theme");
  if (button) {
    button.textContent = themes[theme][0];
    button.setAttribute("aria-label", `Theme: ${themes[theme][1]}`);
    button.title = `Theme: ${themes[theme][1]}`;
  }
}

document.getElementById("theme")?.addEventListener("click", () => {
  const names = Object.keys(themes);
  theme = names[(names.indexOf(theme) + 1) % names.length];
  try {
    localStorage.setItem("cmt-theme", theme);
  } catch {
    /* then it lasts as long as the page */
  }
  applyTheme();
});
dark.addEventListener("change", applyTheme);
applyTheme();
