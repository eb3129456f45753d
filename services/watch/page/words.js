// What figures and states are called. No DOM here.

const SEVERITY_WORDS = {
  open: 'open',
  half_open: 'half open',
  away: 'away',
  failing: 'failing',
  busy: 'busy',
  well: 'well',
  idle: 'idle',
};

/** The worst first; the order in which lanes stand. */
export const SEVERITIES = Object.keys(SEVERITY_WORDS);

export const severityWord = (severity) => SEVERITY_WORDS[severity] ?? severity;

const BREAKER_WORDS = { closed: 'closed', open: 'open', half_open: 'half open', unknown: 'unknown' };
const CONTROL_WORDS = {
  auto: 'decides by itself',
  forced_open: 'forced open by an operator',
  forced_closed: 'forced closed by an operator',
  unknown: 'controlled in a way that this page does not know',
};

export const count = (number) => number.toLocaleString('en');

/** Milliseconds in the shortest form that still says how many. */
export const time = (ms) => {
  if (ms >= 60_000) return `${Math.round(ms / 60_000)} min`;
  if (ms >= 10_000) return `${Math.round(ms / 1_000)} s`;
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms > 0 && ms < 10 ? `${ms.toFixed(1)} ms` : `${Math.round(ms)} ms`;
};

export const rate = (perSecond) => `${perSecond >= 100 ? Math.round(perSecond) : Math.round(perSecond * 10) / 10}/s`;

export const endedOf = ({ succeeded, failed, declined, abandoned }) => succeeded + failed + declined + abandoned;

export const rejectedOf = (figures) =>
  figures.rejectedFull +
  figures.rejectedOpen +
  figures.rejectedQueueWait +
  figures.rejectedNoTime +
  figures.rejectedMerchant;

/** Share of calls that failed or were rejected, in percent. */
export const errorPercent = (figures) => {
  const offered = endedOf(figures) + rejectedOf(figures);
  return offered === 0 ? 0 : ((figures.failed + rejectedOf(figures)) * 100) / offered;
};

export const breakerOf = ({ breaker, control, stalled }) =>
  [BREAKER_WORDS[breaker], control === 'auto' ? '' : CONTROL_WORDS[control], stalled ? 'stalled' : '']
    .filter((word) => word !== '')
    .join(', ');

/** One sentence about the breakers of a lane in all of its processes. */
export const breakerSentence = ({ counts, instances }) => {
  const present = instances.filter(({ isAway }) => !isAway);
  if (present.length === 0) return 'no process of it answers; these are its last figures below';
  const controls = [...new Set(present.map(({ control }) => control))];
  const of = (number) => (present.length === 1 ? '' : ` in ${number} of ${present.length}`);
  const words = [
    counts.open > 0 ? `breaker open${of(counts.open)}` : '',
    counts.halfOpen > 0 ? `breaker half open${of(counts.halfOpen)}` : '',
    counts.open + counts.halfOpen === 0 ? 'breaker closed' : '',
    controls.length === 1 ? CONTROL_WORDS[controls[0]] : 'controlled differently in its processes',
    counts.stalled > 0 ? `stalled${of(counts.stalled)}: nothing comes back` : '',
    counts.away > 0 ? `${counts.away} away` : '',
  ];
  return words.filter((word) => word !== '').join(' · ');
};

const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The line that forces a lane's breaker open; closed and auto are told beside it. */
export const commandFor = (name, address) => {
  const request = JSON.stringify({ name, control: 'BREAKER_CONTROL_FORCED_OPEN', note: 'why' });
  return [
    `grpcurl -plaintext -d ${quoted(request)} ${quoted(address)} tillmesh.lane.v1.LaneService/SetBreaker`,
    '# or BREAKER_CONTROL_FORCED_CLOSED, BREAKER_CONTROL_AUTO; limits: LaneService/ChangeLane',
  ].join('\n');
};
