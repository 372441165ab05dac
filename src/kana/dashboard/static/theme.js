// Runs before the page is drawn: light or dark as the system prefers, unless the colleague has chosen one.
"use strict";
document.documentElement.classList.add("has-script");
if (!document.documentElement.dataset.bsTheme) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => { document.documentElement.dataset.bsTheme = dark.matches ? "dark" : "light"; };
  dark.addEventListener("change", follow);
  follow();
}
