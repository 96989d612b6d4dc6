// The links of the header and the choice of language. It also carries the theme between pages, since
// it is on each of them.
function remember(name, value) {
  document.cookie = `${name}=${value}; path=/; max-age=31536000; samesite=lax`
}

export function render({ model, el }) {
  const nav = document.createElement("nav")
  nav.lang = model.language
  nav.setAttribute("aria-label", model.label)
  const brand = document.createElement("a")
  brand.className = "brand"
  brand.href = model.home
  if (model.logo) {
    const logo = document.createElement("img")
    logo.src = model.logo
    logo.alt = ""
    brand.append(logo)
  }
  brand.append(model.brand)
  nav.append(brand)
  for (const [label, href] of model.links) {
    const link = document.createElement("a")
    link.href = href
    link.textContent = label
    if (href === model.current) link.setAttribute("aria-current", "page")
    nav.append(link)
  }

  const select = document.createElement("select")
  select.setAttribute("aria-label", model.language_label)
  for (const [code, name] of model.languages) {
    const option = document.createElement("option")
    option.value = option.lang = code
    option.textContent = name
    select.append(option)
  }
  select.value = model.language
  select.addEventListener("change", () => {
    remember("rostra-language", select.value)
    location.reload()
  })
  const bar = document.createElement("div")
  bar.className = "bar"
  bar.append(nav, select)
  el.append(bar)
  // Where the links do not fit, the one of this page is still to be seen.
  const current = nav.querySelector("[aria-current]")
  if (current) {
    const middle = (node) => {
      const { left, width } = node.getBoundingClientRect()
      return left + width / 2
    }
    // Sizes are known, and change, when style sheets have come and when the window turns.
    new ResizeObserver(() => { nav.scrollLeft += middle(current) - middle(nav) }).observe(nav)
  }

  model.on("change:dark", () => {
    const theme = model.dark ? "dark" : "light"
    document.documentElement.dataset.theme = theme
    remember("rostra-theme", theme)
  })
}
