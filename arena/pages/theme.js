// Before anything is painted: the theme that was chosen, or the system's until one is. It stands on
// the root element, where style sheets and figures look for it.
(() => {
  const root = document.documentElement
  const dark = matchMedia("(prefers-color-scheme: dark)")
  let chosen = Boolean(root.dataset.theme)
  const follow = () => {
    if (!chosen) root.dataset.theme = dark.matches ? "dark" : "light"
  }
  follow()
  dark.addEventListener("change", follow)
  addEventListener("click", (event) => {
    if (!event.target.closest?.("button.theme")) return
    chosen = true
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark"
    document.cookie = `rostra-theme=${root.dataset.theme}; path=/; max-age=31536000; samesite=lax`
  })
})()
