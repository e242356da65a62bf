// Runs the npm package http-cache-tests against a built brink, or against any other cache.
//
//   node run.mjs [--bin PATH] [--suite FOLDER]        start origin and edge, run all, judge
//   node run.mjs --id TEST …                          one test, with every request and response
//   node run.mjs --base URL --origin-port PORT …      a cache that you started before that origin
//   --work FOLDER   where node file, site, state and log go     --json FILE   raw results
//   --no-retry      do not try a failed test again
//
// Exit status: 0 the bar is met, 1 it is not, 2 the run could not be made.

import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { startEdge } from './edge.mjs'
import { judge, verdict } from './judge.mjs'

const HERE = dirname(fileURLToPath(import.meta.url))
const TARGET = process.env.CARGO_TARGET_DIR ?? resolve(HERE, '../../target')
/** Tests that run side by side, as in the suite's own runner. */
const TOGETHER = 100
/** A request that takes longer has hung. The suite's longest pause is 3 s, between requests. */
const REQUEST_TIMEOUT_MS = 20_000

const { values: options } = parseArgs({
  options: {
    bin: { type: 'string', default: join(TARGET, 'debug', 'brink') },
    suite: { type: 'string', default: join(TARGET, 'conformance/node_modules/http-cache-tests') },
    work: { type: 'string', default: join(TARGET, 'conformance/run') },
    base: { type: 'string' },
    'origin-port': { type: 'string', default: '0' },
    id: { type: 'string' },
    json: { type: 'string' },
    'no-retry': { type: 'boolean', default: false }
  }
})

try {
  process.exitCode = await main()
} catch (error) {
  console.error(`could not run: ${error.message}`)
  process.exitCode = 2
}

async function main () {
  const suite = resolve(options.suite)
  if (!existsSync(suite)) throw new Error(`${suite} is missing: ops/check.sh installs it`)
  const origin = await startOrigin(suite)
  let edge
  try {
    edge = options.base
      ? { base: options.base.replace(/\/$/, ''), stop () {}, died () {} }
      : await startEdge(resolve(options.bin), origin.port, resolve(options.work))
    const tests = await load(suite)
    const client = await loadClient(suite, edge.base)
    if (options.id) return await one(client, tests, options.id)
    const results = await all(client, tests)
    if (edge.died()) console.error(`the edge ${edge.died()}: ${edge.log}`)
    if (options.json) writeFileSync(options.json, JSON.stringify(results, null, 2))
    return report(tests, results)
  } finally {
    await edge?.stop()
    origin.stop()
  }
}

function startOrigin (suite) {
  const stderr = options.id ? 'inherit' : 'ignore'
  const child = spawn(process.execPath, [join(HERE, 'origin.mjs'), suite, options['origin-port']],
    { stdio: ['ignore', 'pipe', stderr, 'ipc'], env: { ...process.env, ORIGIN_LOG: options.id ?? '' } })
  return new Promise((resolve, reject) => {
    child.on('exit', code => reject(new Error(`the origin ended with ${code}`)))
    child.stdout.once('data', line => resolve({ port: Number(line), stop: () => child.kill() }))
  })
}

/** Every test by id, in the suite's order. The 334 of index.mjs count; surrogate-control is extra. */
async function load (suite) {
  const module = async name => (await import(pathToFileURL(join(suite, 'tests', name)))).default
  const extra = await module('surrogate-control.mjs')
  const tests = new Map()
  for (const group of [...await module('index.mjs'), extra]) {
    for (const test of group.tests) {
      tests.set(test.id, { ...test, suite: group.name, extra: group === extra })
    }
  }
  return tests
}

async function loadClient (suite, base) {
  const from = name => import(pathToFileURL(join(suite, name)))
  const nodeFetch = createRequire(join(suite, 'package.json'))('node-fetch')
  const config = await from('client/config.mjs')
  config.setFetch((url, init) => nodeFetch(url, { ...init, timeout: REQUEST_TIMEOUT_MS }))
  config.setBaseUrl(base)
  config.setUseBrowserCache(false)
  const { makeCacheTest, testResults } = await from('client/test.mjs')
  // A run writes into the test's own arrays, so each run gets a copy.
  const run = async (test, dump) => {
    delete testResults[test.id]
    await makeCacheTest({ ...structuredClone(test), dump })
    return testResults[test.id]
  }
  return { run }
}

async function one (client, tests, id) {
  const test = tests.get(id)
  if (!test) throw new Error(`the suite has no test ${id}`)
  const result = await client.run(test, true)
  const needs = test.depends_on ? ` (builds on ${test.depends_on.join(', ')})` : ''
  console.log(`\n${id}: ${test.name} [${test.kind ?? 'required'}]${needs}`)
  console.log(result === true ? 'pass' : `${result[0]}: ${result[1]}`)
  return result === true ? 0 : 1
}

async function all (client, tests) {
  const ours = [...tests.values()].filter(test => !test.browser_only)
  const results = {}
  const batch = async (some, together) => {
    for (let from = 0; from < some.length; from += together) {
      const these = some.slice(from, from + together)
      const outcomes = await Promise.all(these.map(test => client.run(test, false)))
      these.forEach((test, index) => { results[test.id] = outcomes[index] })
    }
  }
  await batch(ours, TOGETHER)
  // Freshness of a few seconds is at stake, and a busy machine loses seconds: what failed is tried
  // once more with less beside it. What passes then is said aloud.
  const failed = ours.filter(test => results[test.id] !== true && test.kind !== 'check')
  if (!options['no-retry'] && failed.length > 0 && failed.length < ours.length / 4) {
    await batch(failed, 10)
    const healed = failed.filter(test => results[test.id] === true).map(test => test.id)
    if (healed.length) console.log(`passed at the second try: ${healed.join(', ')}`)
  }
  return results
}

function report (tests, results) {
  const expected = JSON.parse(readFileSync(join(HERE, 'expected-misses.json'), 'utf8'))
  const { counts, misses, troubles } = judge(tests, results, expected)
  for (const miss of misses) {
    const why = miss.reason ? `expected: ${miss.reason}` : `${miss.word}: ${miss.said}`
    console.log(`${miss.kind.padEnd(9)} ${miss.id.padEnd(44)} ${why}`)
  }
  const extra = [...tests.values()].filter(test => test.extra && test.kind !== 'check')
  for (const test of extra.filter(test => verdict(tests, results, test.id) !== 'pass')) {
    console.log(`extra     ${test.id.padEnd(44)} ${verdict(tests, results, test.id)}: ${results[test.id]?.[1]}`)
  }
  console.log()
  for (const [kind, count] of Object.entries(counts)) {
    const noted = count.expected ? `, ${count.expected} expected misses` : ''
    const word = kind.endsWith('check') ? 'answer yes' : 'pass'
    console.log(`${kind.padEnd(16)} ${count.passed} of ${count.total} ${word}${noted}`)
  }
  for (const trouble of troubles.filter(text => !text.includes('is not in expected'))) {
    console.log(`BAR: ${trouble}`)
  }
  const passed = (counts.required?.passed ?? 0) + (counts.optimal?.passed ?? 0)
  console.log(`conformance: ${passed} passed, ${troubles.length} failed`)
  return troubles.length ? 1 : 0
}
