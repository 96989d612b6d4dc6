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

function opening(model, ask, choosers) {
  const words = model.texts
  const suggestions = make("ul", { class: "suggestions", "aria-labelledby": "try" })
  function suggest() {
    suggestions.replaceChildren(...model.suggestions.map((text) =>
      make("li", {}, make("button", { type: "button", onclick: () => ask(text) }, text))))
  }
  suggest()
  model.on("change:suggestions", suggest)
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
