// The view of one round. All state is the server's; this draws it and reports what the voter does.
// It follows the other scripts of its page in one module; see round_view.py.

export function render({ model: connection, el }) {
  const model = toldBy(connection)
  const send = (action, details = {}) => model.send({ action, round: model.round, ...details })
  const words = model.texts.page
  const sides = model.sides
  const choosers = {}
  const chosen = () => Object.fromEntries(
    Object.entries(choosers).map(([side, select]) => [side, select.value]))

  // ---- what the page is made of
  const kept = keeping(model, send)
  const attached = attaching(model, send, chosen, kept.imageAddress)
  const empty = opening(model, (prompt) => put(prompt), choosers)
  const entrance = entranceView(model, agree)
  const progress = progressLine(model)
  const progressAfter = progressLine(model)
  const title = (side) => sides.length === 1
    ? words.the_answer : words.answer.replace("{letter}", side.toUpperCase())
  const jump = (side) => turns.lastElementChild?.querySelector(`.${side}`)
    .scrollIntoView({ block: "start" })
  const sideSwitch = make("div", { class: "switch", role: "group", "aria-label": words.go_to },
    ...sides.map((side) => make(
      "button",
      { type: "button", class: side, onclick: () => jump(side) },
      make("span", { class: "badge", "aria-hidden": "true" }, side.toUpperCase()),
      title(side),
    )))
  const turns = make("div", { class: "turns" })
  const again = make("button", { type: "button", class: "again", onclick: () => send("again") },
    words.again)
  const told = verdict(model, reasonsForm(model, send))
  const scroller = make("div", { class: "scroller", tabindex: "0", role: "region",
    "aria-label": words.answers }, entrance, empty, progress, sideSwitch, turns,
    make("div", { class: "after" }, again, told, progressAfter))

  const bar = voteBar(model, send)
  const status = make("p", { class: "status" })
  const announcer = make("p", { class: "hidden", role: "status" })
  const input = make("textarea", { rows: "1", "aria-label": words.question,
    maxlength: String(model.max_chars) })
  const random = make("button", { type: "button", onclick: () => send("random") }, words.random)
  const next = make("button", { type: "button", class: "new", onclick: () => leave() })
  const another = make("button", { type: "button", onclick: () => send("another") }, words.another)
  const action = make("button", { type: "submit", class: "primary" })
  const composer = make("form", { class: "composer" }, input, attached.button, random, another,
    next, action)
  const dock = make("div", { class: "dock" }, status, ...(sides.length > 1 ? [bar] : []),
    attached.strip, composer)
  el.dataset.mode = model.kind
  el.append(scroller, dock, announcer)

  // ---- what the voter does
  function ask() {
    const prompt = input.value.trim()
    if (prompt && model.phase !== "answering") put(prompt)
  }

  function put(prompt, proof = {}) {
    if (attached.busy()) return attached.tell(words.image_wait)
    attached.tell("")
    send("ask", { prompt, chosen: chosen(), images: attached.references(), ...proof })
  }

  function leave() {
    if (model.phase === "failed") {
      send("again")
    } else {
      kept.forget()
      send("new")
    }
  }

  // The cookie's path is the campaign's, and so is what was agreed to.
  function agree(sha256) {
    document.cookie = `${model.consent_cookie}=${sha256}; path=${model.base || "/"}; `
      + "max-age=31536000; samesite=lax"
    send("agree", { sha256 })
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
  attached.listen(input, el)
  for (const select of Object.values(choosers)) {
    select.addEventListener("change", () => drawCampaign())
  }
  input.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return
    event.preventDefault()
    ask()
  })

  // ---- drawing
  function addTurn() {
    const prompt = model.prompts[turns.children.length]
    const cards = sides.map((side) => answerCard(side.toUpperCase(), {
      title: title(side),
      copy: words.copy,
      copied: words.copied,
      copyAnswer: words.copy_answer.replace("{letter}", side.toUpperCase()),
    }))
    turns.append(make("section", { class: "turn" },
      make("p", { class: "question" }, make("span", { class: "label" }, words.you_asked),
        make("span", { class: "text" }, prompt)),
      attached.pictures(turns.children.length),
      make("div", { class: `pair of${sides.length}` }, ...cards)))
    if (turns.children.length > 1) turns.lastElementChild.scrollIntoView({ block: "start" })
    else scroller.scrollTop = 0
    // What was asked is on the page: only now is it taken from where it was written.
    if (input.value.trim() === prompt.trim()) {
      input.value = ""
      fit()
      scroller.focus({ preventScroll: true })
    }
  }

  let drawnRound = model.round
  let drawnPhase = null
  let announced = model.verdict
  // A question that came while the answers were asked for again: sent when they have ended, if it
  // still stands in the line.
  let later = ""

  function draw() {
    if (drawnRound !== model.round) {
      drawnRound = model.round
      turns.replaceChildren()
      told.clear()
      attached.clear()
    }
    while (turns.children.length < model.prompts.length) addTurn()
    for (const side of sides) {
      const cards = turns.querySelectorAll(`.answer.${side}`)
      cards.forEach((card, i) => updateAnswer(card, {
        name: model.names[side] ?? "",
        ...(i === model.prompts.length - 1 && {
          note: model.notes[side] ?? "",
          rating: model.ratings[side] ?? "",
          busy: model.phase === "answering",
        }),
      }))
    }
    // What the vote does is to be seen under answers of any length.
    const effect = model.phase === "voted" ? model.verdict.slice(-1) : []
    setText(status, [model.status, ...effect].join(" "))
    bar.update()
    told.update()
    drawCampaign()
    if (drawnPhase !== model.phase) drawPhase()
    if (announced !== model.verdict) {
      announced = model.verdict
      if (announced.length) setText(announcer, announced.join(" "))
    }
  }

  function drawCampaign() {
    const kind = model.entrance.kind
    const phase = model.phase
    entrance.update()
    progress.update()
    progressAfter.update()
    entrance.hidden ||= phase !== "empty"
    empty.hidden = phase !== "empty" || kind !== undefined
    progress.hidden ||= phase !== "empty"
    progressAfter.hidden ||= phase !== "voted"
    dock.hidden = phase === "empty" && kind !== undefined
    // A round that was begun goes on to its vote under the consent it was begun with.
    const asks = kind === undefined || (kind === "consent" && phase !== "empty")
    input.hidden = !asks
    random.hidden = !asks || phase !== "empty"
    another.hidden = !asks || phase !== "failed" || model.kind !== "battle"
    action.hidden = !asks && phase !== "answering"
    again.hidden = phase !== "ended"
    attached.button.hidden = !attached.update() || !asks
    attached.strip.hidden ||= !asks
  }

  function drawPhase() {
    const before = drawnPhase
    drawnPhase = model.phase
    const phase = model.phase
    el.dataset.phase = phase
    sideSwitch.hidden = phase === "empty" || sides.length === 1
    input.placeholder = phase === "ended" ? model.texts.mode.placeholder : words.placeholder
    setText(action, phase === "answering" ? words.stop : words.send)
    const ways = { voted: model.texts.mode.next, failed: words.retry }
    setText(next, ways[phase] ?? model.texts.mode.new)
    next.hidden = phase === "empty"
    next.classList.toggle("primary", phase === "voted" || phase === "failed")
    action.classList.toggle("primary", phase !== "voted" && phase !== "failed")
    const writing = sides.length === 1 ? words.writing : words.writing_both
    setText(announcer, phase === "answering" ? writing : model.status)
    if (phase === "empty") input.focus({ preventScroll: true })
    if (phase === "voted" || phase === "failed") next.focus({ preventScroll: true })
    // A round taken up again: the keys are for its vote, and not for the empty line.
    if (before === "empty" && phase !== "empty" && !input.value) {
      scroller.focus({ preventScroll: true })
    }
    if (phase !== "answering") {
      const waiting = later
      later = ""
      if (phase === "ended" && waiting && input.value.trim() === waiting) ask()
    }
    if (phase === "ended" && before === "answering" && el.getRootNode().activeElement !== input) {
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
  const watched = ["phase", "round", "prompts", "status", "choice", "notes", "names", "ratings",
    "verdict", "settings", "reasons_given", "entrance", "progress", "images", "attach"]
  model.watch(watched, drawSoon)
  draw()

  // ---- what the server says once
  model.listen((message) => {
    if (message.round !== model.round) return
    if (message.later) later = message.later
    if (message.claim) kept.keep(message.claim)
    if (message.prove) {
      prove(message.prove).catch(() => "").then((proof) => put(message.prompt,
        { challenge: message.prove, proof }))
    }
    if (message.random) {
      input.value = message.random
      fit()
      input.focus()
    }
    if (message.parts) {
      draw()
      const drawn = message.parts.map((part) => {
        const card = turns.children[part.turn]?.querySelector(`.answer.${part.side}`)
        return !card || drawPart(card, part)
      })
      if (!drawn.every(Boolean)) send("redraw")
    }
  })
  if (model.prompts.length) send("redraw")
  else kept.resume()
}
