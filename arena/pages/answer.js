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
  const copy = copyButton(words.copyAnswer, words, () => {
    body.classList.add("copying")
    const text = body.innerText
    body.classList.remove("copying")
    return text
  })
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
  card.tail = ""
  return card
}

// Whether the part could be drawn. If not, something before it is missing: ask for the whole.
export function drawPart(card, { at, html, keep, tail }) {
  if (at !== 0 && at !== card.pieces) return false
  const settled = card.querySelector(".settled")
  const growing = card.querySelector(".tail")
  if (at === 0) settled.replaceChildren()
  if (html) {
    // What has grown until now is what has ended: its nodes stay, and with them a selection, the
    // focus and how far a block is scrolled.
    become(growing, html)
    settled.append(...growing.childNodes)
  }
  card.pieces = at + (html ? 1 : 0)
  card.tail = card.tail.slice(0, keep) + tail
  become(growing, card.tail)
  addCopyButtons(settled, card.words)
  addCopyButtons(growing, card.words)
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

function become(node, html) {
  const template = document.createElement("template")
  template.innerHTML = html
  morph(node, template.content)
}

// Makes the children of `node` those of `wanted`, and touches only what differs.
function morph(node, wanted) {
  let old = skipOurs(node.firstChild)
  for (const fresh of [...wanted.childNodes]) {
    if (!old || old.nodeName !== fresh.nodeName) {
      node.insertBefore(fresh, old)
      continue
    }
    if (old.nodeType === Node.TEXT_NODE) {
      if (fresh.data.startsWith(old.data)) old.appendData(fresh.data.slice(old.length))
      else old.data = fresh.data
    } else {
      for (const { name } of [...old.attributes]) {
        if (!fresh.hasAttribute(name)) old.removeAttribute(name)
      }
      for (const { name, value } of fresh.attributes) {
        if (old.getAttribute(name) !== value) old.setAttribute(name, value)
      }
      morph(old, fresh)
    }
    old = skipOurs(old.nextSibling)
  }
  while (old) {
    const next = skipOurs(old.nextSibling)
    old.remove()
    old = next
  }
}

// Buttons are put in here and are in no HTML that the server sends.
function skipOurs(node) {
  while (node?.ours) node = node.nextSibling
  return node
}

function addCopyButtons(node, words) {
  for (const language of node.querySelectorAll(".language:not(:has(button))")) {
    const label = `${words.copy}: ${language.textContent}`
    const block = language.parentNode
    const button = copyButton(label, words, () => block.querySelector("pre").textContent)
    button.ours = true
    language.append(button)
  }
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
