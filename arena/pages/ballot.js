// The vote, by button and by key, and the reasons for it.

const OUTCOMES = [
  ["a", "← 1", ["ArrowLeft", "1"]],
  ["tie", "2", ["2"]],
  ["both_bad", "3", ["3"]],
  ["b", "4 →", ["ArrowRight", "4"]],
]

function voteBar(model, send) {
  // The server counts one vote; a press that did not reach it, or the store, may be repeated.
  const vote = (outcome) => {
    if (model.phase === "ended") send("vote", { outcome })
  }
  const buttons = OUTCOMES.map(([outcome, hint, keys]) => make(
    "button",
    { type: "button", class: outcome, onclick: () => vote(outcome),
      "aria-keyshortcuts": keys.join(" ") },
    make("span", { class: "text" }, model.texts.page[`vote_${outcome}`]),
    make("kbd", { "aria-hidden": "true" }, hint),
  ))
  const bar = make("div", { class: "vote", role: "group", "aria-label": model.texts.page.vote },
    ...buttons)

  function onKey(event) {
    if (event.defaultPrevented || event.repeat) return
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return
    const target = event.composedPath()[0]
    if (target.closest?.("textarea, input, select, [contenteditable]")) return
    const pressed = OUTCOMES.find(([, , keys]) => keys.includes(event.key))
    // A page without the bar, as a chat with one contestant, has no vote.
    if (!pressed || model.phase !== "ended" || !bar.isConnected) return
    event.preventDefault()
    vote(pressed[0])
  }
  document.addEventListener("keydown", onKey)
  model.close(() => document.removeEventListener("keydown", onKey))

  bar.update = () => {
    OUTCOMES.forEach(([outcome], i) => {
      buttons[i].disabled = model.phase !== "ended"
      buttons[i].setAttribute("aria-pressed",
        String(model.phase === "voted" && model.choice === outcome))
    })
  }
  return bar
}

function reasonsForm(model, send) {
  const words = model.texts.page
  const boxes = model.reason_tags.map((tag) => make("input", { type: "checkbox", value: tag }))
  const comment = make("textarea", { rows: "2", maxlength: String(model.max_comment) })
  const button = make("button", { type: "submit" }, words.reasons_send)
  const form = make(
    "form",
    {},
    make("fieldset", {},
      make("legend", { class: "label" }, words.tags),
      ...model.reason_tags.map((tag, i) => make("label", {}, boxes[i], words[`tag_${tag}`]))),
    make("label", { class: "comment" }, make("span", { class: "label" }, words.comment), comment),
    button,
  )
  const fold = make("details", { class: "reasons" }, make("summary", {}, words.reasons), form)
  const thanks = make("p", { class: "label", role: "status" })
  const whole = make("div", {}, fold, thanks)

  const given = () => ({
    tags: boxes.filter((box) => box.checked).map((box) => box.value),
    comment: comment.value.trim(),
  })
  const enable = () => {
    const { tags, comment } = given()
    button.disabled = tags.length === 0 && comment === ""
  }
  form.addEventListener("input", enable)
  form.addEventListener("submit", (event) => {
    event.preventDefault()
    if (!button.disabled) send("reasons", given())
  })
  whole.update = () => {
    whole.hidden = model.phase !== "voted"
    fold.hidden = model.reasons_given
    setText(thanks, model.reasons_given ? words.reasons_sent : "")
  }
  whole.clear = () => {
    form.reset()
    fold.open = false
    enable()
  }
  enable()
  return whole
}
