// One lane's tile. Built once, then only its texts change: what is open stays open, what has the focus keeps it. Every
// text goes through textContent, because names come from other processes.

import { drawCurve } from './curve.js';
import {
  breakerOf,
  breakerSentence,
  commandFor,
  count,
  endedOf,
  errorPercent,
  rate,
  rejectedOf,
  severityWord,
  time,
} from './words.js';

const COUNTS = [
  'succeeded',
  'declined',
  'abandoned',
  'failed',
  'timedOut',
  'rejectedOpen',
  'rejectedFull',
  'rejectedQueueWait',
  'rejectedNoTime',
  'rejectedMerchant',
];
const TIMES = ['meanMs', 'p50Ms', 'p90Ms', 'p99Ms', 'queueWaitP99Ms', 'oldestInFlightMs'];
const WINDOW_SECONDS = 10;
const HIGH_SHARE = 0.8;

let tiles = 0;

const setText = (element, text) => {
  if (element.textContent !== text) element.textContent = text;
};

const cells = (instance) => [
  instance.instance === '' || instance.instance === instance.address
    ? instance.address
    : `${instance.instance} (${instance.address})`,
  instance.isAway ? 'away' : breakerOf(instance),
  `${count(instance.inFlight)}/${count(instance.concurrentMax)}`,
  `${count(instance.queued)}/${count(instance.queuedMax)}`,
  count(instance.succeeded),
  count(instance.failed),
  time(instance.p99Ms),
];

const updateRows = (body, instances) => {
  while (body.rows.length > instances.length) body.deleteRow(-1);
  for (const [place, instance] of instances.entries()) {
    const row = body.rows[place] ?? body.insertRow();
    for (const [column, text] of cells(instance).entries()) setText(row.cells[column] ?? row.insertCell(), text);
  }
};

/** A tile for a lane. */
export const createTile = (template) => {
  const element = template.content.firstElementChild.cloneNode(true);
  const is = Object.fromEntries([...element.querySelectorAll('[data-is]')].map((one) => [one.dataset.is, one]));
  const bars = Object.fromEntries([...element.querySelectorAll('[data-bar]')].map((one) => [one.dataset.bar, one]));
  const svg = element.querySelector('svg');
  const details = element.querySelector('details');
  const body = element.querySelector('tbody');
  let shown;
  tiles += 1;
  element.querySelector('h2').id = `lane-${tiles}`;
  element.setAttribute('aria-labelledby', `lane-${tiles}`);

  const gauge = (name, now, most) => {
    setText(is[name], `${count(now)} / ${count(most)}`);
    const share = most === 0 ? 0 : Math.min(1, now / most);
    bars[name].style.width = `${share * 100}%`;
    bars[name].classList.toggle('high', share >= HIGH_SHARE);
  };
  const updateDetails = () => {
    if (!details.open || shown === undefined) return;
    updateRows(body, shown.instances);
    setText(is.command, commandFor(shown.name, shown.instances[0].address));
  };
  details.addEventListener('toggle', updateDetails);

  const update = (lane, minute) => {
    shown = lane;
    const { figures, instances } = lane;
    element.dataset.severity = lane.severity;
    setText(is.service, lane.service);
    setText(is.name, lane.name);
    setText(is.state, severityWord(lane.severity));
    setText(is.breaker, breakerSentence(lane));
    gauge('inFlight', figures.inFlight, figures.concurrentMax);
    gauge('queued', figures.queued, figures.queuedMax);
    for (const name of COUNTS) {
      setText(is[name], count(figures[name]));
      is[name].classList.toggle('some', figures[name] > 0);
    }
    for (const name of TIMES) setText(is[name], figures[name] === 0 ? '–' : time(figures[name]));
    setText(is.rate, rate((endedOf(figures) + rejectedOf(figures)) / WINDOW_SECONDS));
    setText(is.errors, `${Math.round(errorPercent(figures))} % errors`);
    setText(is.most, `most ${rate(drawCurve(svg, minute))}`);
    setText(
      is.instances,
      instances.length === 1
        ? `1 process, limit ${time(figures.timeoutMs)}`
        : `${instances.length} processes, limit ${time(figures.timeoutMs)}`,
    );
    updateDetails();
  };
  return { element, update };
};
