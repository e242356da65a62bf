// Starts the program under test with default settings and one site, and waits until it is ready.

import { spawn } from 'node:child_process'
import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** A port that nobody listens on at the moment. */
export function freePort () {
  return new Promise((resolve, reject) => {
    const server = net.createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })
}

/**
 * Runs `binary` before the origin on `originPort`. Everything it needs lies in `folder`, which is
 * emptied first. Gives its base URL and a `stop` that ends it.
 */
export async function startEdge (binary, originPort, folder) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'sites.d'), { recursive: true })
  const [http, admin] = [await freePort(), await freePort()]
  writeFileSync(join(folder, 'node.toml'), nodeFile(http, admin, folder))
  writeFileSync(join(folder, 'sites.d', 'suite.toml'), siteFile(originPort))

  const log = join(folder, 'log')
  const output = openSync(log, 'w')
  const child = spawn(binary, ['run', '-c', join(folder, 'node.toml')],
    { stdio: ['ignore', output, output] })
  let ended
  child.on('error', error => { ended = `cannot start ${binary}: ${error.message}` })
  child.on('exit', (code, signal) => { ended ??= `ended with ${code ?? signal}` })

  const deadline = Date.now() + 20_000
  while (!await ready(admin)) {
    if (ended || Date.now() > deadline) {
      child.kill('SIGKILL')
      throw new Error(`${ended ?? 'not ready in 20 s'}\n${readFileSync(log, 'utf8').slice(-4000)}`)
    }
    await sleep(50)
  }
  const stop = async () => {
    child.kill('SIGTERM')
    for (let tenth = 0; tenth < 50 && !ended; tenth++) await sleep(100)
    if (!ended) child.kill('SIGKILL')
  }
  return { base: `http://127.0.0.1:${http}`, log, stop, died: () => ended }
}

async function ready (admin) {
  try {
    return (await fetch(`http://127.0.0.1:${admin}/readyz`)).ok
  } catch {
    return false
  }
}

// Loopback must be allowed as an origin, since the guard refuses private addresses by default.
const nodeFile = (http, admin, folder) => `
state_dir = "${join(folder, 'state')}"
[sites]
folder = "${join(folder, 'sites.d')}"
[listen]
http = ["127.0.0.1:${http}"]
[admin]
address = "127.0.0.1:${admin}"
[upstream]
allow_private = ["127.0.0.0/8"]
`

// Default settings; PUT is how the suite tells its origin what to answer.
const siteFile = originPort => `
hosts = ["127.0.0.1"]
[origin]
servers = ["http://127.0.0.1:${originPort}"]
`
