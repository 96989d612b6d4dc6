// Where a round can be found again after a reload. The ticket itself is in a cookie that no script
// can read; what passes here is a claim on it, which is good once.

function keeping(model, send) {
  // A tab has a round in each mode of each campaign.
  const name = `rostra-tab${model.base}`
  let tab = sessionStorage.getItem(name)
  if (!tab) {
    const bytes = crypto.getRandomValues(new Uint8Array(8))
    tab = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")
    sessionStorage.setItem(name, tab)
  }
  const post = (action, fields) => fetch(`/round/${action}`, {
    method: "POST",
    keepalive: true, // also while the page is being left
    body: new URLSearchParams({ tab: `${model.kind}-${tab}`, ...fields }),
  })
  return {
    imageAddress: (turn, number) => `/round/image/${model.kind}-${tab}/${turn}/${number}`,
    keep: (claim) => post("keep", { claim }),
    forget: () => post("forget", {}),
    async resume() {
      const response = await post("resume", {})
      if (response.status === 200) send("resume", { claim: await response.text() })
    },
  }
}
