"use strict";
const root = document.documentElement;
const darkByDefault = matchMedia("(prefers-color-scheme: dark)").matches;
root.dataset.theme = localStorage.getItem("theme") ?? (darkByDefault ? "dark" : "light");
document.getElementById("theme").addEventListener("click", () => {
  root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
  localStorage.setItem("theme", root.dataset.theme);
});

for (const code of document.querySelectorAll("pre code")) {
  code.textContent = code.textContent.replaceAll("http://127.0.0.1:8000", location.origin);
}

for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", async () => {
    const source = button.closest("figure").querySelector("code");
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "copied";
    } catch {
      // Browsers keep the clipboard from pages that came over plain HTTP.
      getSelection().selectAllChildren(source);
      button.textContent = "selected";
    }
  });
}

const links = [...document.querySelectorAll("[data-operation]")];
document.getElementById("filter").addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  let shown = 0;
  for (const link of links) {
    const article = document.getElementById(link.dataset.operation);
    const matches = article.textContent.toLowerCase().includes(wanted);
    link.hidden = article.hidden = !matches;
    shown += matches;
  }
  for (const section of document.querySelectorAll("nav section")) {
    section.hidden = section.querySelector("a:not([hidden])") === null;
  }
  document.getElementById("nothing").hidden = shown > 0;
});

const current = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting) continue;
    for (const link of links) {
      if (link.dataset.operation === target.id) link.setAttribute("aria-current", "location");
      else link.removeAttribute("aria-current");
    }
  }
}, { rootMargin: "-70px 0px -75% 0px" });
document.querySelectorAll("article").forEach((article) => current.observe(article));
