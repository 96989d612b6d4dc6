// Names as labels of an axis: whole where there is room, cut in the middle where there is none.
// Body of a formatter of ticks. `names`: by place, or null where ticks are the names themselves;
// `font` as in CSS; `least`, pixels that a name always has; `share` of the window up to `widest`
// pixels, less `beside`, where that is more.
this.shown ??= (() => {
  const context = new OffscreenCanvas(1, 1).getContext("2d")
  context.font = font
  const wide = document.documentElement.clientWidth
  const room = Math.max(least, share * Math.min(widest, wide) - beside)
  const fits = (text) => context.measureText(text).width <= room
  // Ends tell versions and sizes.
  const cut = (name) => {
    if (fits(name)) return name
    const letters = Array.from(name)
    for (let kept = letters.length - 1; kept > 2; kept--) {
      const tail = kept >> 1
      const text = `${letters.slice(0, kept - tail).join("")}…${letters.slice(-tail).join("")}`
      if (fits(text)) return text
    }
    return name
  }
  const whole = names ?? ticks
  const short = whole.map(cut)
  // What this would make alike stays whole.
  return new Map(
    whole.map((name, i) => [name, short.indexOf(short[i]) === short.lastIndexOf(short[i]) ? short[i] : name]),
  )
})()
return this.shown.get(names ? names[Math.floor(tick)] : tick) ?? ""
