// Images to the next question: chosen, pasted or dropped, uploaded at once, shown small, each with a
// button that takes it off again.

const IMAGE_TYPES = ["image/png", "image/jpeg", "image/webp", "image/gif"]

function attaching(model, send, chosen, address) {
  const words = model.texts.page
  let items = []
  let shown = []

  const picker = make("input", { type: "file", accept: IMAGE_TYPES.join(","), multiple: "",
    hidden: "" })
  const button = make("button", { type: "button", class: "attach",
    onclick: () => picker.click() }, words.attach)
  const list = make("ul", { class: "attached", "aria-label": words.attached })
  const notice = make("p", { class: "notice", role: "status" })
  const strip = make("div", { class: "attachments" }, list, notice, picker)
  picker.addEventListener("change", () => {
    add([...picker.files])
    picker.value = ""
  })

  // The server decides; this is what is offered.
  const fresh = () => ["empty", "voted", "failed"].includes(model.phase)
  function allowed() {
    const { offered, takers, goes_on: goesOn } = model.attach
    if (!offered) return false
    if (!fresh()) return goesOn
    return model.kind === "battle" || Object.values(chosen()).every((name) => takers.includes(name))
  }

  const notChosen = model.sides.length === 1 ? words.image_not_this : words.image_not_these

  function whyNot() {
    if (!model.attach.offered) return words.image_none
    return model.kind === "battle" ? words.image_first : notChosen
  }

  let told = ""
  function tell(text) {
    told = text
    update()
  }

  function add(files) {
    tell("")
    if (!allowed()) return tell(whyNot())
    const { most, max_bytes: maxBytes } = model.attach
    for (const file of files) {
      if (!IMAGE_TYPES.includes(file.type)) {
        tell(words.image_kind)
      } else if (items.length >= most) {
        tell(words.image_most.replace("{most}", most))
      } else if (file.size > maxBytes) {
        tell(words.image_size.replace("{megabytes}", maxBytes / 2 ** 20))
      } else {
        upload(file)
      }
    }
  }

  async function upload(file) {
    const item = { url: URL.createObjectURL(file), reference: "" }
    const remove = make("button", { type: "button", onclick: () => takeOff(item) },
      make("span", { "aria-hidden": "true" }, "×"))
    item.node = make("li", { "aria-busy": "true" },
      make("img", { src: item.url, alt: "" }), remove)
    items.push(item)
    list.append(item.node)
    update()
    let response, text
    try {
      response = await fetch("/round/image", { method: "POST", body: file,
        headers: { "X-Rostra-Basket": model.attach.basket } })
      text = await response.text()
    } catch {
      response = null
    }
    const ours = response?.headers.get("Content-Type")?.startsWith("text/plain")
    if (!items.includes(item)) {
      if (response?.ok) send("detach", { images: [text] })
    } else if (response?.ok) {
      item.reference = text
      item.node.removeAttribute("aria-busy")
      update()
    } else {
      drop(item)
      tell(ours ? text : words.image_failed)
    }
  }

  function drop(item) {
    items = items.filter((each) => each !== item)
    item.node.remove()
    URL.revokeObjectURL(item.url)
  }

  function takeOff(item) {
    const place = items.indexOf(item)
    drop(item)
    if (item.reference) send("detach", { images: [item.reference] })
    tell("")
    const next = items[Math.min(place, items.length - 1)]
    ;(next?.node.querySelector("button") ?? button).focus()
  }

  // A turn's images: those that were just sent as they are here, others from the server, which has
  // them for as long as the round's ticket is in the tab's cookie.
  function pictures(turn) {
    const sizes = model.images[turn] ?? []
    const own = sizes.length && sizes.length === items.length ? items : []
    if (own.length) {
      items = []
      list.replaceChildren()
      shown.push(...own.map(({ url }) => url))
    }
    return make("div", { class: "pictures" }, ...sizes.map(([width, height], i) => {
      const image = make("img", { width, height,
        alt: words.image_alt.replace("{number}", i + 1) })
      // A cookie may be on its way.
      let tries = 3
      image.addEventListener("error", () => {
        if (tries-- > 0) setTimeout(() => { image.src = `${address(turn, i)}?${tries}` }, 700)
      })
      image.src = own[i]?.url ?? address(turn, i)
      return image
    }))
  }

  function update() {
    items.forEach(({ node }, i) => node.querySelector("button")
      .setAttribute("aria-label", words.image_remove.replace("{number}", i + 1)))
    const may = allowed()
    const { offered } = model.attach
    // That those chosen take none is told before anybody tries.
    const hint = offered && !may && fresh() ? notChosen : ""
    setText(notice, told || hint)
    notice.hidden = !notice.textContent
    list.hidden = !items.length
    strip.hidden = notice.hidden && list.hidden
    button.disabled = items.length >= model.attach.most
    return may
  }

  return {
    button,
    strip,
    tell,
    pictures,
    update,
    references: () => items.map(({ reference }) => reference),
    busy: () => items.some(({ reference }) => !reference),
    // The turns are gone from the page.
    clear() {
      shown.forEach((url) => URL.revokeObjectURL(url))
      shown = []
      told = ""
    },
    listen(input, area) {
      input.addEventListener("paste", (event) => {
        const files = [...event.clipboardData?.files ?? []]
        if (!files.length) return
        event.preventDefault()
        add(files)
      })
      const holdsFiles = (event) => event.dataTransfer?.types.includes("Files")
      area.addEventListener("dragover", (event) => {
        if (!holdsFiles(event)) return
        event.preventDefault()
        area.dataset.dropping = ""
      })
      area.addEventListener("dragleave", (event) => {
        if (!area.contains(event.relatedTarget)) delete area.dataset.dropping
      })
      area.addEventListener("drop", (event) => {
        delete area.dataset.dropping
        if (!holdsFiles(event)) return
        event.preventDefault()
        add([...event.dataTransfer.files])
      })
    },
  }
}
