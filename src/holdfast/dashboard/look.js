// Before the page is drawn: light or dark, as the system has it or as was chosen here. After it:
// times that go on passing.
(() => {
  const root = document.documentElement;
  const choices = ["system", "light", "dark"];
  const kept = () => {
    try {
      return localStorage.getItem("holdfast-theme");
    } catch {
      return null;
    }
  };
  let theme = choices.includes(kept()) ? kept() : "system";
  const show = () => {
    root.dataset.theme = theme;
    for (const button of document.querySelectorAll("[data-theme-switch]"))
      button.querySelector("span").textContent = theme;
  };
  show();
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.("[data-theme-switch]")) return;
    theme = choices[(choices.indexOf(theme) + 1) % choices.length];
    try {
      localStorage.setItem("holdfast-theme", theme);
    } catch {
      // it holds for this page, then
    }
    show();
  });

  const said = (seconds) => {
    if (seconds < 10) return `${seconds.toFixed(1)} s`;
    if (seconds < 100) return `${seconds.toFixed(0)} s`;
    if (seconds < 600) return `${(seconds / 60).toFixed(1)} min`;
    if (seconds < 6000) return `${(seconds / 60).toFixed(0)} min`;
    if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
    return `${(seconds / 86400).toFixed(1)} days`;
  };
  const tick = () => {
    for (const time of document.querySelectorAll("time[data-age]")) {
      const { age, after } = time.dataset;
      if (time.told !== age) [time.told, time.from] = [age, performance.now()];
      const text = said(Number(age) + (performance.now() - time.from) / 1000) + (after ?? "");
      if (time.firstChild?.nodeValue !== text) time.textContent = text;
    }
    if (document.querySelector("[data-theme-switch] span")?.textContent !== theme) show();
  };
  setInterval(tick, 500);
})();
