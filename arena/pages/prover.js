// Does the sum that the server asks of a browser, in a worker, so that the page stays as it is.
// crypto.subtle knows SHA-256 too, one promise for each hash and on https pages alone.
function proving() {
  const K = new Uint32Array(64)
  const START = new Uint32Array(8)
  // FIPS 180-4: the first 32 bits of the fractions of the roots of the first primes.
  for (let n = 2, found = 0; found < 64; n++) {
    let prime = true
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false
    if (!prime) continue
    if (found < 8) START[found] = (Math.sqrt(n) % 1) * 0x100000000
    K[found++] = (Math.cbrt(n) % 1) * 0x100000000
  }
  const W = new Uint32Array(64)

  function compress(state, words) {
    W.set(words)
    for (let i = 16; i < 64; i++) {
      const x = W[i - 15], y = W[i - 2]
      W[i] = W[i - 16] + W[i - 7] +
        ((x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3) +
        ((y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10)
    }
    let [a, b, c, d, e, f, g, h] = state
    for (let i = 0; i < 64; i++) {
      const one = h + ((e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7)) +
        (e & f ^ ~e & g) + K[i] + W[i] | 0
      const two = ((a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10)) +
        (a & b ^ a & c ^ b & c) | 0
      h = g; g = f; f = e; e = d + one | 0
      d = c; c = b; b = a; a = one + two | 0
    }
    const out = [a, b, c, d, e, f, g, h]
    for (let i = 0; i < 8; i++) state[i] += out[i]
  }

  function sha256(bytes) {
    const state = START.slice()
    const blocks = (bytes.length + 9 + 63) >> 6
    const padded = new Uint8Array(blocks * 64)
    padded.set(bytes)
    padded[bytes.length] = 0x80
    const view = new DataView(padded.buffer)
    view.setUint32(padded.length - 4, bytes.length * 8)
    const words = new Uint32Array(16)
    for (let block = 0; block < blocks; block++) {
      for (let i = 0; i < 16; i++) words[i] = view.getUint32(block * 64 + i * 4)
      compress(state, words)
    }
    return state
  }

  onmessage = ({ data: { challenge, bits } }) => {
    const encoder = new TextEncoder()
    for (let number = 0; ; number++) {
      const hash = sha256(encoder.encode(`${challenge}:${number}`))
      const zeros = hash[0] ? Math.clz32(hash[0]) : 32
      if (zeros >= bits) return postMessage(String(number))
    }
  }
}

// Resolves to the number that solves the challenge.
function prove(challenge) {
  const source = URL.createObjectURL(new Blob([`(${proving})()`], { type: "text/javascript" }))
  const worker = new Worker(source)
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data)
    worker.onerror = reject
    worker.postMessage({ challenge, bits: Number(challenge.split(".")[0]) })
  }).finally(() => {
    worker.terminate()
    URL.revokeObjectURL(source)
  })
}
