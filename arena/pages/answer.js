// What draws an answer, for every page that shows some.
//
// A page makes a card for each answer, hands it what the server sends of the text (`drawPart`), and
// says how the answer stands (`updateAnswer`). A part is `rostra.arena.rendering.Part`: safe HTML,
// sanitised on the server. Everything else is set as text.

export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value)
    else node.setAttribute(name, value)
  }
  node.append(...children)
  return node
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}

// An empty card for the answer with this letter. `words`: `title`, `copy`, `copied` and
// `copyAnswer`, in the language of the page.
export function answerCard(letter, words) {
  const side = letter.toLowerCase()
  const body = make("div", { class: "body" },
    make("div", { class: "settled" }), make("div", { class: "tail" }))
  const copy = copyButton(words.copyAnswer, words, () => body.innerText)
  const card = make(
    "article",
    { class: `answer ${side}`, "aria-label": words.title },
    make("header", {},
      make("span", { class: "badge", "aria-hidden": "true" }, letter),
      make("div", {}, make("h2", {}, words.title), make("p", {})),
      copy),
    body,
    make("footer", {}),
  )
  card.words = words
  card.pieces = 0
  return card
}

// Whether the part could be drawn. If not, something before it is missing: ask for the whole.
export function drawPart(card, { at, html, tail }) {
  if (at !== 0 && at !== card.pieces) return false
  const settled = card.querySelector(".settled")
  if (at === 0) settled.replaceChildren()
  if (html) settled.insertAdjacentHTML("beforeend", html)
  card.pieces = at + (html ? 1 : 0)
  card.querySelector(".tail").innerHTML = tail
  return true
}

// How the answer stands: `note` under it, `name` in place of its letter, `rating`, and whether it is
// `busy` growing. What is not given stays.
export function updateAnswer(card, { note, name, rating, busy }) {
  const header = card.querySelector(":scope > header")
  if (note !== undefined) setText(card.querySelector(":scope > footer"), note)
  if (name !== undefined) setText(header.querySelector("h2"), name || card.words.title)
  if (rating !== undefined) setText(header.querySelector("p"), rating)
  if (busy !== undefined) card.setAttribute("aria-busy", String(busy))
}

function copyButton(label, words, read) {
  const button = make("button", { type: "button", class: "copy", "aria-label": label },
    words.copy)
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(read())
    setText(button, words.copied)
    setTimeout(() => setText(button, words.copy), 1500)
  })
  button.hidden = !navigator.clipboard
  return button
}
