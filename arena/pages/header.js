// Run where the header ends, before it is painted: links that do not fit stand in a menu.
(() => {
  const header = document.querySelector("header")
  const links = header.querySelector("ul.links")
  const more = header.querySelector("details.more")
  const menu = more.querySelector("ul")
  const items = [...links.children]

  const fit = () => {
    links.append(...items)
    more.hidden = true
    while (links.scrollWidth > links.clientWidth) {
      more.hidden = false
      // The page's own is the last to go.
      const inside = [...links.children]
      const last = inside.findLast((item) => !item.querySelector("[aria-current]")) ?? inside.at(-1)
      if (!last) break
      menu.prepend(last)
    }
    if (more.hidden) more.open = false
  }
  fit()
  let width = header.clientWidth
  new ResizeObserver(() => {
    if (header.clientWidth === width) return
    width = header.clientWidth
    fit()
  }).observe(header)
  document.fonts.ready.then(fit)
  header.querySelector(".brand img")?.addEventListener("load", fit)

  more.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !more.open) return
    more.open = false
    more.querySelector("summary").focus()
  })
  more.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !more.contains(event.relatedTarget)) more.open = false
  })
  addEventListener("click", (event) => {
    if (!more.contains(event.target)) more.open = false
  })

  const language = header.querySelector("select")
  language.addEventListener("change", () => {
    document.cookie = `rostra-language=${language.value}; path=/; max-age=31536000; samesite=lax`
    location.reload()
  })
})()
