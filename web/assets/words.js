// What states, exit codes and verdicts are called. Pure.

/** The states of a run, in order. */
export const STATES = {
  queued: { text: 'queued', tone: 'quiet' },
  checked: { text: 'checked', tone: 'busy' },
  enlisting: { text: 'waiting for agents', tone: 'busy' },
  preflight: { text: 'looking at the target', tone: 'busy' },
  ready: { text: 'ready', tone: 'busy' },
  setup: { text: 'setup', tone: 'busy' },
  load: { text: 'making load', tone: 'live' },
  drain: { text: 'letting iterations finish', tone: 'busy' },
  teardown: { text: 'teardown', tone: 'busy' },
  over: { text: 'over', tone: 'quiet' },
};

/** States after which nothing of the run can be changed any more, or not yet. */
export const CHANGEABLE = 'load';

const CODES = {
  0: ['passed', 'good'],
  99: ['thresholds failed', 'bad'],
  100: ['setup timed out', 'bad'],
  101: ['teardown timed out', 'bad'],
  104: ['bad scenario', 'bad'],
  105: ['interrupted', 'warn'],
  107: ['setup or teardown failed', 'bad'],
  108: ['aborted', 'bad'],
  120: ['data degraded', 'warn'],
  121: ['data invalid', 'bad'],
  122: ['fleet lost or incomplete', 'bad'],
  123: ['controller unreachable', 'bad'],
};

/** How a run ended, by its exit code. */
export function ending(code) {
  const [text, tone] = CODES[code] ?? [`exit code ${code}`, 'bad'];
  return { text, tone };
}

/** Why it ended, for a sentence. */
const ENDED = {
  finished: 'It finished by itself',
  interrupted: 'Somebody cut it',
  stopped: 'Somebody let it finish early',
  aborted: 'A threshold with abortOnFail ended it',
  target_unreachable: 'No agent could reach the target; nothing was sent',
  fleet_incomplete: 'Too few agents came; nothing was sent',
  fleet_lost: 'Every agent was lost',
  agent_lost: 'An agent was lost, and the run was to end then',
  setup_failed: 'Setup did not come to its end; no load was made',
};

/** Why a run ended. */
export function why(ended) {
  return ENDED[ended] ?? `It ended: ${ended ?? 'nobody said why'}`;
}

/** What a verdict's grade means. */
export const GRADES = {
  VALID: { text: 'VALID', tone: 'good', meaning: 'throng itself did not distort what was measured: the figures can be used.' },
  DEGRADED: { text: 'DEGRADED', tone: 'warn', meaning: 'load or data have gaps, which are stated below: use the figures with care.' },
  INVALID: { text: 'INVALID', tone: 'bad', meaning: 'throng could not make the load as planned: do not use the figures.' },
  NOT_JUDGED: { text: 'not judged', tone: 'quiet', meaning: 'nothing was measured that could be judged.' },
};

/** How an agent stands in a run. */
export const STANDINGS = { preparing: 'busy', joining: 'busy', running: 'live', leaving: 'warn', done: 'quiet', left: 'quiet', lost: 'bad' };
