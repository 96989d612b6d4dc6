// The links of the header. It also carries the theme between pages, since it is on each of them.
export function render({ model, el }) {
  const nav = document.createElement("nav")
  nav.setAttribute("aria-label", "Pages")
  const brand = document.createElement("a")
  brand.className = "brand"
  brand.href = "/"
  brand.textContent = model.brand
  nav.append(brand)
  for (const [label, href] of model.links) {
    const link = document.createElement("a")
    link.href = href
    link.textContent = label
    if (href === model.current) link.setAttribute("aria-current", "page")
    nav.append(link)
  }
  el.append(nav)

  model.on("change:dark", () => {
    const theme = model.dark ? "dark" : "light"
    document.documentElement.dataset.theme = theme
    document.cookie = `rostra-theme=${theme}; path=/; max-age=31536000; samesite=lax`
  })
}
