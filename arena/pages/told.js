// What the server tells: all of it when the page is opened, then each time what has changed.

// An object with everything by its name. `watch(names, act)` calls `act` when one of them changes,
// `listen(act)` with what is said once, after what was told with it; `close(act)` when the page goes.
function toldBy(connection) {
  const watching = []
  const listening = []
  const told = {
    ...connection.told,
    send: (message) => connection.send_msg(message),
    watch: (names, act) => watching.push([names, act]),
    listen: (act) => listening.push(act),
    close: (act) => connection.on("remove", act),
  }
  connection.on("msg:custom", (message) => {
    if (message.told) {
      Object.assign(told, message.told)
      for (const [names, act] of watching) if (names.some((name) => name in message.told)) act()
    }
    for (const act of listening) act(message)
  })
  return told
}
