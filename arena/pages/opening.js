// What stands on a page before anything was asked.

// `choosers`: selects by side, for pages where the voter chooses who answers.
function chooserRow(model, choosers) {
  const words = model.texts.page
  const labels = model.sides.length === 1
    ? [words.contestant] : [words.contestant_a, words.contestant_b]
  return make("div", { class: "choosers" }, ...model.sides.map((side, i) => {
    const select = make("select", {}, ...model.contestants.map(([name, label]) =>
      make("option", { value: name }, label)))
    select.value = model.chosen[side]
    choosers[side] = select
    return make("label", { class: side }, make("span", { class: "label" }, labels[i]), select)
  }))
}

// How many votes there are of those that are wanted.
function progressLine(model) {
  const bar = make("progress", { "aria-hidden": "true" })
  const text = make("span")
  const line = make("p", { class: "progress" }, bar, text)
  line.update = () => {
    const { votes, target, text: told } = model.progress
    line.hidden = target === undefined
    if (line.hidden) return
    bar.max = target
    bar.value = votes
    setText(text, told)
  }
  return line
}

// What a campaign says in place of taking a question: when it opens, that it is closed, or what a
// voter has to agree to.
function entranceView(model, agree) {
  const view = make("section", { class: "entrance" })
  view.update = () => {
    const told = model.entrance
    view.hidden = told.kind === undefined
    if (view.shown === told || view.hidden) return
    view.shown = told
    view.replaceChildren(
      make("h1", {}, told.title),
      make("p", {}, told.lead),
      ...told.links.map(([label, href]) => make("p", {}, make("a", { href }, label))),
    )
    if (told.kind !== "consent") return
    const text = make("div", { class: "body consent", tabindex: "0", role: "region",
      "aria-label": told.title })
    text.innerHTML = told.html // sanitised by the server
    const button = make("button", { type: "button", class: "primary",
      onclick: () => agree(told.sha256) }, told.action)
    view.append(text, button)
  }
  return view
}

function opening(model, ask, choosers) {
  const words = model.texts
  const suggestions = make("ul", { class: "suggestions", "aria-labelledby": "try" })
  function suggest() {
    suggestions.replaceChildren(...model.suggestions.map((text) =>
      make("li", {}, make("button", { type: "button", onclick: () => ask(text) }, text))))
  }
  suggest()
  model.watch(["suggestions"], suggest)
  return make(
    "section",
    { class: "empty" },
    make("h1", {}, words.mode.title),
    make("p", {}, words.mode.lead),
    ...(model.contestants.length ? [chooserRow(model, choosers)] : []),
    make("p", { class: "label", id: "try" }, words.page.suggestions),
    suggestions,
  )
}
