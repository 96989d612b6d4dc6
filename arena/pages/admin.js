// Asks for the parts of the page again and again, and puts each in place when it has changed. What
// an admin does is a request of its own, so that the server asks each time who it is from.
const EVERY = 5000

export function render({ model, el }) {
  const root = document.createElement("div")
  root.innerHTML = model.html
  el.append(root)
  const find = (selector) => root.querySelector(selector)
  const age = find("[data-age]")
  const told = find(".told")
  const editor = find("#editor")
  const shown = new Map()
  let token = ""
  let older = ""

  const say = (text, wrong = false) => {
    told.textContent = text
    told.classList.toggle("wrong", wrong)
  }

  const ask = async (path, options = {}) => {
    const response = await fetch(`/admin/${path}`, options)
    if (response.status === 401 || response.status === 403) {
      throw new Error("You are not let in any more: log in again, then reload this page.")
    }
    return response
  }

  const read = async (path) => {
    const response = await ask(path)
    if (!response.ok) throw new Error((await response.text()).trim())
    return response.json()
  }

  const send = async (path, body) => {
    const response = await ask(path, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-XSRFToken": token },
      body: JSON.stringify(body),
    })
    if (response.status >= 500) throw new Error((await response.text()).trim())
    return response.json()
  }

  // The same thing has the focus again after the part it is in was replaced.
  const put = (id, html) => {
    if (shown.get(id) === html) return
    shown.set(id, html)
    const section = find(`#${id}`)
    const focused = section.contains(el.getRootNode().activeElement)
      ? el.getRootNode().activeElement : null
    const { key, label } = { key: focused?.dataset.key, label: focused?.getAttribute("aria-label") }
    const scrolled = [...section.querySelectorAll(".scroll")].map((each) => each.scrollLeft)
    section.innerHTML = html
    section.querySelectorAll(".scroll").forEach((each, i) => { each.scrollLeft = scrolled[i] ?? 0 })
    section.removeAttribute("aria-busy")
    const again = key ? section.querySelector(`[data-key="${CSS.escape(key)}"]`)
      : label ? section.querySelector(`[aria-label="${CSS.escape(label)}"]`) : null
    again?.focus({ preventScroll: true })
    if (id === "changes") older = ""
  }

  let asking = null
  const look = async () => {
    const days = find("[name=days]").value
    try {
      const { parts, at, seconds, xsrf } = await read(`figures?days=${days}`)
      if (days !== find("[name=days]").value) return
      token = xsrf
      // Earlier changes that somebody reads are not taken away.
      for (const [id, html] of Object.entries(parts)) if (id !== "changes" || !older) put(id, html)
      const counted = new Date(at)
      age.textContent = `Counted at ${counted.toISOString().slice(11, 19)} UTC, in ${seconds} s.`
      age.classList.remove("wrong")
    } catch (error) {
      age.textContent = `Not counted: ${error.message}`
      age.classList.add("wrong")
    }
  }
  const lookNow = () => (asking = (asking ?? Promise.resolve()).then(look))

  let gone = false
  const again = async () => {
    if (gone) return
    if (!document.hidden) await lookNow()
    setTimeout(again, EVERY)
  }

  // ---- what an admin does
  const leave = (name) => {
    editor.hidden = true
    editor.replaceChildren()
    const back = name ? `edit ${name}` : "new"
    find(`[data-key="${CSS.escape(back)}"]`)?.focus()
  }

  const edit = async (name) => {
    const { html } = await read(`form?${new URLSearchParams({ campaign: name })}`)
    editor.innerHTML = html
    editor.hidden = false
    editor.scrollIntoView({ block: "start" })
    const first = editor.querySelector("fieldset:not([disabled]) input:not([readonly])")
    ;(first ?? editor.querySelector("button")).focus({ preventScroll: true })
  }

  const fields = (form) => {
    const given = {}
    for (const { name, type, value, checked } of form.querySelectorAll("[name]")) {
      if (type !== "checkbox") given[name] = value
      else given[name] = [...(given[name] ?? []), ...(checked ? [value] : [])]
    }
    return given
  }

  const wrong = (form, errors) => {
    for (const place of form.querySelectorAll("[data-error]")) {
      const name = place.dataset.error
      place.textContent = errors[name] ?? ""
      const field = name && form.querySelector(`[name="${name}"], [data-field="${name}"]`)
      if (field) field.toggleAttribute("aria-invalid", name in errors)
      if (field && name in errors) field.setAttribute("aria-invalid", "true")
    }
    form.querySelector("[aria-invalid=true]")?.focus()
  }

  const done = async (form, path, body) => {
    const { errors, done: line } = await send(path, body)
    if (errors) return wrong(form, errors)
    await lookNow()
    leave(form.dataset.name)
    say(line)
  }

  const actions = {
    async pause({ campaign, contestant }) {
      const { done: line, errors } = await send("pause", { campaign, contestant })
      await lookNow()
      say(line ?? errors[""], Boolean(errors))
    },
    async resume({ campaign, contestant }) {
      const { done: line, errors } = await send("resume", { campaign, contestant })
      await lookNow()
      say(line ?? errors[""], Boolean(errors))
    },
    edit: ({ campaign }) => edit(campaign),
    new: () => edit(""),
    async close(_, form) {
      await done(form, "close", { campaign: form.dataset.name, version: +form.dataset.version })
    },
    async delete(_, form) {
      const name = form.dataset.name
      if (!confirm(`Delete the campaign ${name}? Its votes and ratings stay.`)) return
      await done(form, "delete", { campaign: name, version: +form.dataset.version })
    },
    leave: (_, form) => leave(form.dataset.name),
    async older() {
      const rows = find("#changes tbody")
      const { html } = await read(`changes?before=${rows.lastElementChild.dataset.id}`)
      older = html
      rows.insertAdjacentHTML("beforeend", html)
      if (!html.trim()) find("[data-do=older]").remove()
    },
  }

  const tell = async (work) => {
    try {
      await work()
    } catch (error) {
      say(error.message, true)
    }
  }

  root.addEventListener("click", ({ target }) => {
    const link = target.closest("a[href^='#']")
    if (link) {
      // An address cannot reach into a component.
      const heading = find(`#h-${link.hash.slice(1)}`)
      heading.tabIndex = -1
      heading.scrollIntoView({ block: "start" })
      return heading.focus({ preventScroll: true })
    }
    const button = target.closest("[data-do]")
    if (button) tell(() => actions[button.dataset.do](button.dataset, button.closest("form")))
  })
  root.addEventListener("submit", (event) => {
    const form = event.target
    if (!form.matches(".campaign")) return
    event.preventDefault()
    tell(() => done(form, "campaign", { fields: fields(form), version: +form.dataset.version }))
  })
  find("[name=days]").addEventListener("change", () => {
    age.textContent = "Counting …"
    lookNow()
  })
  root.querySelector(".controls").addEventListener("submit", (event) => event.preventDefault())

  again()
  return () => { gone = true }
}
