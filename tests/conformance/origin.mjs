// The suite's own origin server, on loopback only and on a port of its choice.
//
// The package's server.mjs listens on every address, which is not wanted here, so its handlers are
// mounted on a server of ours.
//
//   node origin.mjs SUITE_FOLDER [PORT]      prints the port in one line

import http from 'node:http'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [suite, port = '0'] = process.argv.slice(2)
const handler = async name =>
  (await import(pathToFileURL(join(suite, 'server', `handle-${name}.mjs`)))).default

const handlers = {
  config: await handler('config'),
  test: await handler('test'),
  state: await handler('state')
}

const server = http.createServer((request, response) => {
  const segments = new URL(request.url, 'http://origin.invalid/').pathname.split('/').slice(1)
  const handle = handlers[segments.shift()]
  if (handle) {
    handle(segments, request, response)
  } else {
    response.writeHead(404, { 'Content-Type': 'text/plain' }).end('no such path\n')
  }
})
// One test answers with a transfer coding that does not exist, so that only the close of the
// connection ends the body: the usual five seconds of keep-alive must stay.
server.listen(Number(port), '127.0.0.1', () => {
  process.stdout.write(`${server.address().port}\n`)
  // The handlers chat on standard output; nobody reads it from here on.
  console.log = process.env.ORIGIN_LOG ? console.error : () => {}
})
process.on('disconnect', () => process.exit(0))
