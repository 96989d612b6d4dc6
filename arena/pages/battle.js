// The view of one round. All state is the server's; this draws it and reports what the voter does.
// It follows answer.js in one module: `make`, `setText` and what draws answers are from there.

const OUTCOMES = [
  ["a", "A is better", "← 1", ["ArrowLeft", "1"]],
  ["tie", "Tie", "2", ["2"]],
  ["both_bad", "Both bad", "3", ["3"]],
  ["b", "B is better", "4 →", ["ArrowRight", "4"]],
]
const SIDES = ["a", "b"]

export function render({ model, el }) {
  const send = (action, details = {}) => model.send_msg({ action, round: model.round, ...details })

  // ---- what the page is made of
  const suggestions = make("ul", { class: "suggestions" })
  for (const text of model.suggestions) {
    const ask = () => send("ask", { prompt: text })
    suggestions.append(make("li", {}, make("button", { type: "button", onclick: ask }, text)))
  }
  const empty = make(
    "section",
    { class: "empty" },
    make("h1", {}, "Two answers, one question, no names"),
    make("p", {}, "Ask something. Two models answer side by side; say which answer is better, and " +
      "you are told who wrote them."),
    make("p", { class: "label", id: "try" }, "Try one of these"),
    suggestions,
  )
  suggestions.setAttribute("aria-labelledby", "try")

  const jump = (side) => turns.lastElementChild?.querySelector(`.${side}`)
    .scrollIntoView({ block: "start" })
  const switchButtons = SIDES.map((side) => make(
    "button",
    { type: "button", class: side, onclick: () => jump(side) },
    make("span", { class: "badge", "aria-hidden": "true" }, side.toUpperCase()),
    `Answer ${side.toUpperCase()}`,
  ))
  const sideSwitch = make("div", { class: "switch", role: "group", "aria-label": "Go to" },
    ...switchButtons)
  const turns = make("div", { class: "turns" })
  const scroller = make("div", { class: "scroller", tabindex: "-1", role: "region",
    "aria-label": "Answers" }, empty, sideSwitch, turns)

  const voteButtons = OUTCOMES.map(([outcome, label, hint, keys]) => make(
    "button",
    { type: "button", class: outcome, onclick: () => vote(outcome),
      "aria-keyshortcuts": keys.join(" ") },
    make("span", { class: "text" }, label),
    make("kbd", { "aria-hidden": "true" }, hint),
  ))
  const voteBar = make("div", { class: "vote", role: "group", "aria-label": "Your vote" },
    ...voteButtons)
  const status = make("p", { class: "status" })
  const announcer = make("p", { class: "hidden", role: "status" })

  const input = make("textarea", { rows: "1", "aria-label": "Your question",
    maxlength: String(model.max_chars) })
  const newPair = make("button", { type: "button", class: "new", onclick: () => leave() })
  const action = make("button", { type: "submit", class: "primary" })
  const composer = make("form", { class: "composer" }, input, newPair, action)

  el.append(scroller, make("div", { class: "dock" }, status, voteBar, composer), announcer)

  // ---- what the voter does
  // The server counts one vote; a press that did not reach it, or the store, may be repeated.
  function vote(outcome) {
    if (model.phase === "ended") send("vote", { outcome })
  }

  function ask() {
    const prompt = input.value.trim()
    if (!prompt || model.phase === "answering") return
    send("ask", { prompt })
    input.value = ""
    fit()
    scroller.focus({ preventScroll: true })
  }

  function leave() {
    if (model.phase === "failed") send("retry")
    else send("new pair")
  }

  function fit() {
    input.style.height = "auto"
    input.style.height = `${Math.min(input.scrollHeight + 2, 160)}px`
  }

  composer.addEventListener("submit", (event) => {
    event.preventDefault()
    if (model.phase === "answering") send("stop")
    else ask()
  })
  input.addEventListener("input", fit)
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return
    event.preventDefault()
    ask()
  })

  function onKey(event) {
    if (event.defaultPrevented || event.repeat) return
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return
    const target = event.composedPath()[0]
    if (target.closest?.("textarea, input, select, [contenteditable]")) return
    const pressed = OUTCOMES.find(([, , , keys]) => keys.includes(event.key))
    if (!pressed || model.phase !== "ended") return
    event.preventDefault()
    vote(pressed[0])
  }
  document.addEventListener("keydown", onKey)
  model.on("remove", () => document.removeEventListener("keydown", onKey))

  // ---- drawing
  function addTurn() {
    const cards = SIDES.map((side) => answerCard(side.toUpperCase()))
    turns.append(make("section", { class: "turn" },
      make("p", { class: "question" }, make("span", { class: "label" }, "You asked"),
        make("span", { class: "text" }, model.prompt)),
      make("div", { class: "pair" }, ...cards)))
    if (turns.children.length > 1) turns.lastElementChild.scrollIntoView({ block: "start" })
    else scroller.scrollTop = 0
  }

  let drawnRound = model.round
  let drawnPhase = null

  function draw() {
    if (drawnRound !== model.round) {
      drawnRound = model.round
      turns.replaceChildren()
    }
    while (turns.children.length <= model.turn) addTurn()
    for (const side of SIDES) {
      const cards = turns.querySelectorAll(`.answer.${side}`)
      cards.forEach((card, i) => updateAnswer(card, {
        name: model[`${side}_name`],
        ...(i === model.turn && {
          note: model[`${side}_note`],
          rating: model[`${side}_rating`],
          busy: model.phase === "answering",
        }),
      }))
    }
    setText(status, model.status)
    if (drawnPhase !== model.phase) drawPhase()
  }

  function drawPhase() {
    drawnPhase = model.phase
    const phase = model.phase
    el.dataset.phase = phase
    empty.hidden = phase !== "empty"
    sideSwitch.hidden = phase === "empty"
    voteBar.setAttribute("aria-disabled", String(phase !== "ended"))
    OUTCOMES.forEach(([outcome], i) => {
      voteButtons[i].disabled = phase !== "ended"
      voteButtons[i].setAttribute("aria-pressed", String(phase === "voted" && model.choice === outcome))
    })
    input.placeholder = phase === "ended" ? "Ask both a further question …" : "Ask something …"
    setText(action, phase === "answering" ? "Stop" : "Send")
    setText(newPair, { voted: "Next pair", failed: "Ask another pair" }[phase] ?? "New pair")
    newPair.disabled = phase === "empty"
    newPair.classList.toggle("primary", phase === "voted" || phase === "failed")
    action.classList.toggle("primary", phase !== "voted" && phase !== "failed")
    setText(announcer, phase === "answering" ? "Both answers are being written" : model.status)
    if (phase === "empty") input.focus({ preventScroll: true })
    if (phase === "voted" || phase === "failed") newPair.focus({ preventScroll: true })
    if (phase === "ended" && el.getRootNode().activeElement !== input) {
      scroller.focus({ preventScroll: true })
    }
  }

  // One drawing for each set of changes, once all of them are in.
  let asked = false
  function drawSoon() {
    if (asked) return
    asked = true
    queueMicrotask(() => requestAnimationFrame(() => {
      asked = false
      draw()
    }))
  }
  const watched = ["phase", "round", "turn", "prompt", "status", "choice"]
  for (const side of SIDES) {
    for (const part of ["note", "name", "rating"]) watched.push(`${side}_${part}`)
  }
  for (const name of watched) model.on(`change:${name}`, drawSoon)
  draw()

  // ---- what the answers say
  model.on("msg:custom", ({ side, round, turn, part }) => {
    if (round !== model.round || turn !== model.turn) return
    draw()
    if (!drawPart(turns.lastElementChild.querySelector(`.answer.${side}`), part)) send("redraw")
  })
  if (model.turn >= 0) send("redraw")
}
