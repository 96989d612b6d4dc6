// What is told after the vote under the answers: how the pair stands, and who was asked how.

function verdict(model, reasons) {
  const lines = make("div", { class: "lines" })
  const settings = make("details", { class: "settings" },
    make("summary", {}, model.texts.page.settings))
  const tables = make("div", { class: "pair" })
  settings.append(tables)
  const whole = make("section", { class: "verdict", "aria-label": model.texts.page.vote },
    lines, settings, reasons)

  whole.update = () => {
    whole.hidden = model.phase !== "voted"
    if (lines.shown !== model.verdict) {
      lines.shown = model.verdict
      // The last one says what the vote does, and stands in the dock: see round.js.
      lines.replaceChildren(...model.verdict.slice(0, -1).map((line) => make("p", {}, line)))
    }
    if (tables.shown !== model.settings) {
      tables.shown = model.settings
      tables.replaceChildren(...Object.entries(model.settings).map(([side, entries]) => make(
        "dl", { class: side },
        ...entries.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]))))
    }
    reasons.update()
  }
  whole.clear = () => {
    settings.open = false
    reasons.clear()
  }
  return whole
}
