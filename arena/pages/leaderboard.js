// Sorts, searches and switches the table, and opens what lies behind a line. The server wrote it all.
export function render({ model, el }) {
  const root = document.createElement("div")
  const { words } = model
  // What the server says of a failure may hold anything, `$&` too.
  const notShown = (error) => words.failed.replace("{why}", () => error.message)
  el.append(root)

  const show = () => {
    root.innerHTML = model.html
    // On a phone the table comes first, and what is said of it on request.
    if (matchMedia("(max-width: 640px)").matches) root.querySelector(".audit")?.removeAttribute("open")
    const form = root.querySelector("form")
    if (!form) return
    form.addEventListener("submit", (event) => event.preventDefault())
    form.elements.find.addEventListener("input", () => find(form))
    for (const name of ["level", "style"]) form.elements[name]?.addEventListener("change", () => change(form))
    prepare(form)
  }

  // "2" before "10", and what is missing last in either order.
  const compare = (key, sign) => (one, other) => {
    const [a, b] = [one.dataset[key], other.dataset[key]]
    if (!a || !b) return (a ? 0 : 1) - (b ? 0 : 1)
    return sign * a.localeCompare(b, undefined, { numeric: true }) || one.dataset.rank - other.dataset.rank
  }
  const number = new Set(["rank", "tier", "rating", "votes", "score", "price"])
  const compareNumbers = (key, sign) => (one, other) => {
    const [a, b] = [one.dataset[key], other.dataset[key]]
    if (a === "" || b === "") return (a === "" ? 1 : 0) - (b === "" ? 1 : 0)
    return sign * (a - b) || one.dataset.rank - other.dataset.rank
  }

  const lines = () => [...root.querySelectorAll(".place tbody > tr[data-name]")]

  const sort = (button) => {
    const heading = button.closest("th")
    const key = button.dataset.sort
    const now = heading.getAttribute("aria-sort")
    const other = { ascending: "descending", descending: "ascending" }
    const order = now ? other[now] : button.dataset.first
    for (const each of heading.parentElement.children) each.removeAttribute("aria-sort")
    heading.setAttribute("aria-sort", order)
    const sign = order === "ascending" ? 1 : -1
    const body = root.querySelector(".place tbody")
    const sorted = lines().sort((number.has(key) ? compareNumbers : compare)(key, sign))
    for (const line of sorted) {
      const more = line.nextElementSibling?.matches(".more") ? line.nextElementSibling : null
      line.opened = more
    }
    for (const line of sorted) body.append(line, ...(line.opened ? [line.opened] : []))
    body.parentElement.classList.toggle("by-rank", key === "rank" && sign === 1)
  }

  const find = (form) => {
    const wanted = form.elements.find.value.trim().toLowerCase()
    let shown = 0
    for (const line of lines()) {
      const { name, label, organisation, licence } = line.dataset
      const fits = [name, label, organisation, licence].some((text) => text.toLowerCase().includes(wanted))
      line.hidden = !fits
      if (line.nextElementSibling?.matches(".more")) line.nextElementSibling.hidden = !fits
      shown += fits
    }
    form.querySelector("output").textContent = wanted
      ? words.found.replace("{shown}", shown).replace("{all}", lines().length) : ""
  }

  const prepare = (form) => {
    const table = root.querySelector(".place table")
    table.classList.add("by-rank")
    table.querySelector("thead th").setAttribute("aria-sort", "ascending")
    for (const button of table.querySelectorAll("thead button")) button.addEventListener("click", () => sort(button))
    for (const button of table.querySelectorAll(".open")) button.addEventListener("click", () => open(button))
    find(form)
  }

  const ask = async (path) => {
    const response = await fetch(path)
    const text = await response.text()
    if (!response.ok) throw new Error(text.trim() || words.refused.replace("{status}", response.status))
    return text
  }

  let changes = 0
  const change = async (form) => {
    const mine = ++changes
    const query = new URLSearchParams({ level: form.elements.level?.value ?? "", style: form.elements.style?.value ?? "", language: model.language })
    const output = form.querySelector("output")
    output.textContent = words.computing
    try {
      const html = await ask(`${model.base}/results/table?${query}`)
      if (mine !== changes) return
      root.querySelector(".place").innerHTML = html
      root.querySelector(".csv").href = `${model.base}/results/ratings.csv?${query}`
      output.textContent = ""
      prepare(form)
    } catch (error) {
      if (mine === changes) output.textContent = notShown(error)
    }
  }

  const open = async (button) => {
    const line = button.closest("tr")
    const opened = button.getAttribute("aria-expanded") === "true"
    button.setAttribute("aria-expanded", String(!opened))
    if (opened) return line.nextElementSibling.remove()
    const more = document.createElement("tr")
    more.className = "more"
    const cell = document.createElement("td")
    cell.colSpan = line.children.length
    cell.innerHTML = "<div class='inside' aria-live='polite'></div>"
    cell.firstChild.textContent = words.reading
    more.append(cell)
    line.after(more)
    const query = new URLSearchParams(line.closest("[data-query]").dataset.query)
    query.set("name", line.dataset.name)
    try {
      cell.firstChild.innerHTML = await ask(`${model.base}/results/contestant?${query}`)
    } catch (error) {
      cell.firstChild.textContent = notShown(error)
    }
  }

  show()
  model.on("change:html", show)
}
