// Fetches each figure when it comes near the window, and again when what it depends on is changed.
export function render({ model, el }) {
  const root = document.createElement("div")
  el.append(root)
  const theme = () => (document.documentElement.dataset.theme === "dark" ? "dark" : "light")
  const drawn = new Map()
  const turns = new WeakMap()

  const query = (card) => {
    const fields = root.querySelector("form").elements
    const asked = new URLSearchParams({ style: fields.style?.value ?? "" })
    if ("byLevel" in card.dataset) asked.set("level", fields.level?.value ?? "")
    if (card.dataset.plot) asked.set("name", card.dataset.plot)
    if (card.dataset.plot === "difference") {
      for (const name of ["first", "second", "rope"]) asked.set(name, fields[name]?.value ?? "")
    }
    return asked
  }

  const say = (card, text) => {
    const line = document.createElement("p")
    line.className = "facts"
    line.setAttribute("role", "status")
    line.textContent = text
    card.replaceChildren(line)
  }

  // What was there stays until the new one has come, so that nothing jumps.
  const fill = async (card) => {
    const turn = (turns.get(card) ?? 0) + 1
    turns.set(card, turn)
    card.setAttribute("aria-busy", "true")
    try {
      const response = await fetch(`${model.base}/results/${card.dataset.plot ? "plot" : "beside"}?${query(card)}`)
      const text = await response.text()
      if (turns.get(card) !== turn) return
      if (!response.ok) throw new Error(text.trim() || `the server answered ${response.status}`)
      if (!card.dataset.plot) card.innerHTML = text
      else {
        const plot = JSON.parse(text)
        card.hidden = plot === null
        if (plot) {
          const figure = figures.draw(card, plot, model.themes, theme)
          drawn.set(card, figure)
          await figure.paint()
        }
      }
    } catch (error) {
      if (turns.get(card) === turn) say(card, `Not shown: ${error.message}`)
    }
    if (turns.get(card) === turn) card.removeAttribute("aria-busy")
  }

  let near = null
  const show = () => {
    near?.disconnect()
    drawn.clear()
    root.innerHTML = model.html
    const form = root.querySelector("form")
    if (!form) return
    form.addEventListener("submit", (event) => event.preventDefault())
    const seen = new Set()
    near = new IntersectionObserver(
      (entries) => {
        for (const { target, isIntersecting } of entries) {
          if (!isIntersecting || seen.has(target)) continue
          seen.add(target)
          fill(target)
        }
      },
      { rootMargin: "700px" },
    )
    const cards = [...root.querySelectorAll("[data-plot], [data-beside]")]
    for (const card of cards) near.observe(card)
    form.addEventListener("change", ({ target }) => {
      for (const card of cards.filter((card) => seen.has(card))) {
        const concerned =
          target.name === "style" ||
          (target.name === "level" ? "byLevel" in card.dataset : card.dataset.plot === "difference")
        if (concerned) fill(card)
      }
    })
  }

  show()
  model.on("change:html", show)
  const turning = new MutationObserver(() => drawn.forEach((figure) => figure.paint()))
  turning.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] })
  return () => {
    near?.disconnect()
    turning.disconnect()
  }
}
