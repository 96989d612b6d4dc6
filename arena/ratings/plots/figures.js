// Draws the payloads of `Plot`: figure, text, downloads. Page and report share it; it needs BokehJS.
const figures = (() => {
  // From each colour and palette of the light theme, which the server draws with, to the dark one's.
  const toDark = ({ light, dark }) => {
    const map = new Map([[`${light.surface}ff`, dark.surface]])
    for (const name of Object.keys(light)) {
      if (name === "chains") light.chains.forEach((color, i) => map.set(color, dark.chains[i]))
      else if (Array.isArray(light[name])) map.set(JSON.stringify(light[name]), dark[name])
      else map.set(light[name], dark[name])
    }
    return map
  }

  const repainted = (value, map) => {
    if (typeof value === "string") return map.get(value) ?? value
    if (Array.isArray(value)) {
      const palette = String(value[0]).startsWith("#") ? map.get(JSON.stringify(value)) : undefined
      return palette ?? value.map((entry) => repainted(entry, map))
    }
    if (value === null || typeof value !== "object") return value
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, repainted(entry, map)]))
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
      offer(kind, async () => save(`${plot.name}.${kind}`, await (await current()).export(kind).to_blob()))
    }
    offer("csv", () => save(`${plot.name}.csv`, new Blob([plot.csv], { type: "text/csv" })))
    return line
  }

  // Puts `plot` into `place`, an element that nothing else is in. Gives back what paints it, at
  // first and again, in what `theme` says then.
  function draw(place, plot, themes, theme) {
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
    let painting = null

    const embed = async (item) => {
      try {
        const views = await Bokeh.embed.embed_item(item, figure)
        view = views.roots ? views.roots[0] : [...views][0]
      } catch (error) {
        // BokehJS waits before it draws, and another plot may have taken the place meanwhile.
        if (figure.isConnected) throw error
      }
    }
    // One painting at a time: two would stand below each other in the same figure.
    const settle = async () => {
      for (let painted = null; painted !== theme() && figure.isConnected; ) {
        painted = theme()
        figure.replaceChildren()
        await embed(painted === "dark" ? repainted(plot.item, toDark(themes)) : plot.item)
      }
    }
    const paint = () => (painting ??= settle().finally(() => (painting = null)))
    const current = async () => {
      await painting
      return view
    }
    place.replaceChildren(heading, text, figure, downloads(plot, current))
    return { paint }
  }

  return { draw }
})()
