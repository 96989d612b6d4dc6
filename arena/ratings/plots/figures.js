// Draws the payloads of `Plot`: figure, text, downloads. Page and report share it; it needs BokehJS.
const figures = (() => {
  // How many numbers, or what a colour is called, never changes: one theme maps to the other.
  const swaps = (themes, to) => {
    const from = themes[to === "dark" ? "light" : "dark"]
    const into = themes[to]
    const map = new Map()
    for (const name of Object.keys(into)) {
      if (name === "chains") from.chains.forEach((color, i) => map.set(color, into.chains[i]))
      else if (Array.isArray(into[name])) map.set(JSON.stringify(from[name]), into[name])
      else map.set(from[name], into[name])
    }
    return map
  }

  const swapped = (map, value) => {
    if (typeof value === "string") return map.get(value.toLowerCase())
    if (Array.isArray(value)) return typeof value[0] === "string" ? map.get(JSON.stringify(value)) : undefined
    if (value && typeof value === "object" && "value" in value && map.has(value.value)) return { ...value, value: map.get(value.value) }
    return undefined
  }

  function paint(view, themes, to) {
    const map = swaps(themes, to)
    const models = view.model.references ? view.model.references() : []
    for (const model of models) {
      const changed = {}
      for (const property of model) {
        const found = property.is_unset ? undefined : swapped(map, property.get_value())
        if (found !== undefined) changed[property.attr] = found
      }
      if (model.data && typeof model.data === "object" && "color" in model.data) {
        changed.data = { ...model.data, color: [...model.data.color].map((color) => map.get(color) ?? color) }
      }
      if (Object.keys(changed).length) model.setv(changed)
    }
  }

  const save = (name, blob) => {
    const link = document.createElement("a")
    link.href = URL.createObjectURL(blob)
    link.download = name
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 10000)
  }

  function downloads(plot, current) {
    const line = document.createElement("p")
    line.className = "downloads"
    line.setAttribute("role", "group")
    line.setAttribute("aria-label", `Download: ${plot.title}`)
    const offer = (kind, act) => {
      const button = document.createElement("button")
      button.type = "button"
      button.textContent = kind.toUpperCase()
      button.addEventListener("click", act)
      line.append(button)
    }
    for (const kind of ["png", "svg"]) {
      offer(kind, async () => save(`${plot.name}.${kind}`, await current().export(kind).to_blob()))
    }
    offer("csv", () => save(`${plot.name}.csv`, new Blob([plot.csv], { type: "text/csv" })))
    return line
  }

  // Puts `plot` into `place`, an element that nothing else is in. Gives back what repaints it.
  async function draw(place, plot, themes, theme) {
    const heading = document.createElement("h3")
    heading.textContent = plot.title
    const text = document.createElement("p")
    text.className = "facts"
    text.textContent = plot.text
    const figure = document.createElement("div")
    figure.className = "figure"
    figure.tabIndex = 0
    figure.setAttribute("role", "img")
    figure.setAttribute("aria-label", `${plot.title}. ${plot.text}`)
    let view = null
    place.replaceChildren(heading, text, figure, downloads(plot, () => view))
    const views = await Bokeh.embed.embed_item(plot.item, figure)
    view = views.roots ? views.roots[0] : [...views][0]
    const drawn = { theme: "light", place }
    drawn.repaint = (to) => {
      if (to !== drawn.theme) paint(view, themes, to)
      drawn.theme = to
    }
    drawn.repaint(theme)
    return drawn
  }

  return { draw }
})()
