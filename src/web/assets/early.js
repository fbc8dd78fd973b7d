// What must be known before the first paint: the chosen theme and language become attributes of the document.
(() => {
  const root = document.documentElement;
  let theme = null;
  let language = null;
  try {
    theme = localStorage.getItem("theme");
    language = localStorage.getItem("language");
  } catch {
    // A browser that keeps nothing follows its own settings.
  }
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  if (language !== "en" && language !== "zh") language = /^zh\b/i.test(navigator.language) ? "zh" : "en";
  root.lang = language === "zh" ? "zh-Hans" : "en";
})();
