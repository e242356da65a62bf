// Turns the suite's raw results into verdicts and holds them against the bar.

/** Part of the optimal tests that must pass. */
export const OPTIMAL_SHARE = 0.95

/**
 * One of: pass, fail, setup (the suite could not set the scene), retry (the cache asked the origin
 * twice), dependency (a test that this one builds on did not pass), untested.
 */
export function verdict (tests, results, id) {
  const result = results[id]
  if (result === undefined) return 'untested'
  const needs = tests.get(id).depends_on ?? []
  if (needs.some(other => verdict(tests, results, other) !== 'pass')) return 'dependency'
  if (result === true) return 'pass'
  if (result[0] === 'Setup') return result[1] === 'retry' ? 'retry' : 'setup'
  return 'fail'
}

/**
 * Counts by kind, and what keeps the run from being good. `expected` maps the id of a test that may
 * fail to the reason why it should.
 */
export function judge (tests, results, expected) {
  const counts = {}
  const misses = []
  const troubles = []
  for (const [id, test] of tests) {
    if (test.browser_only) continue
    const kind = test.extra ? `extra ${test.kind ?? 'required'}` : test.kind ?? 'required'
    const count = counts[kind] ??= { total: 0, passed: 0, expected: 0 }
    const word = verdict(tests, results, id)
    count.total++
    if (word === 'pass') count.passed++
    if (test.extra || kind === 'check') continue // for the reader's information
    if (word === 'pass' && id in expected) {
      troubles.push(`${id} passes: strike it from expected-misses.json`)
    } else if (word !== 'pass') {
      const reason = expected[id]
      if (reason) count.expected++
      misses.push({ id, kind, word, suite: test.suite, said: said(results[id]), reason })
      if (!reason) troubles.push(`${id} does not pass and is not in expected-misses.json`)
    }
  }
  for (const id of Object.keys(expected).filter(id => !tests.has(id))) {
    troubles.push(`expected-misses.json names ${id}, which the suite does not have`)
  }
  const { required, optimal } = counts
  if (required && required.passed + required.expected < required.total) {
    troubles.push(`required: ${required.passed} of ${required.total} pass`)
  }
  if (optimal && optimal.passed < OPTIMAL_SHARE * optimal.total) {
    troubles.push(`optimal: ${optimal.passed} of ${optimal.total} pass, fewer than 95 in 100`)
  }
  return { counts, misses, troubles }
}

function said (result) {
  return Array.isArray(result) ? result[1] : result === true ? 'passes itself' : 'no result'
}
