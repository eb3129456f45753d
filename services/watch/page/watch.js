// The live page: follows /lanes.stream and keeps one tile for each lane.

import { createTile } from './tile.js';
import { endedOf, errorPercent, rejectedOf, SEVERITIES, severityWord, time } from './words.js';

const SECONDS = 60;
const STALE_MS = 3_000;
const RETRY_MS = 3_000;

const part = (id) => document.getElementById(id);
const filter = part('filter');
const sort = part('sort');
const grid = part('tiles');

/** By key: the tile, what was last said of its lane, and its last minute. */
const lanes = new Map();
let lastTick = -1;
let heardMs = performance.now();
let retry;

const byName = (a, b) => a.lane.service.localeCompare(b.lane.service) || a.lane.name.localeCompare(b.lane.name);
const most = (value) => (a, b) => value(b.lane.figures) - value(a.lane.figures) || byName(a, b);
const ORDERS = {
  // Within one state by name: tiles that jump every second cannot be read.
  severity: (a, b) => SEVERITIES.indexOf(a.lane.severity) - SEVERITIES.indexOf(b.lane.severity) || byName(a, b),
  name: byName,
  rate: most((figures) => endedOf(figures) + rejectedOf(figures)),
  errors: most(errorPercent),
  p99: most(({ p99Ms }) => p99Ms),
};

const arrange = () => {
  const wanted = filter.value.trim().toLowerCase();
  let shown = 0;
  for (const { lane, tile } of lanes.values()) {
    const text = `${lane.service} ${lane.name} ${severityWord(lane.severity)}`.toLowerCase();
    tile.element.hidden = !text.includes(wanted);
    if (!tile.element.hidden) shown += 1;
  }
  // Moving a tile would take the focus out of it.
  if (!grid.contains(document.activeElement)) {
    const ordered = [...lanes.values()].sort(ORDERS[sort.value]).map(({ tile }) => tile.element);
    for (const [place, element] of ordered.entries()) {
      if (grid.children[place] !== element) grid.insertBefore(element, grid.children[place] ?? null);
    }
  }
  const nothing = part('nothing');
  nothing.hidden = shown > 0;
  nothing.textContent = lanes.size === 0 ? 'No process has told of a lane yet.' : `No lane fits «${filter.value}».`;
};

const minuteOf = (known, lane, missed) => {
  if (lane.minute !== undefined) return lane.minute;
  if (known === undefined) return [lane.point];
  if (missed === 0) return known;
  const gap = Array.from({ length: Math.min(missed - 1, SECONDS) }, () => null);
  return [...known, ...gap, lane.point].slice(-SECONDS);
};

const announce = (before, lane) => {
  if (before === undefined || (before === 'open') === (lane.severity === 'open')) return;
  const state = lane.severity === 'open' ? 'is open' : `is not open any more: ${severityWord(lane.severity)}`;
  part('news').textContent = `${lane.name} of ${lane.service} ${state}`;
};

const showProcesses = (processes) => {
  const silent = processes.filter(({ presence }) => presence === 'lost');
  const list = part('processes');
  list.hidden = silent.length === 0;
  list.replaceChildren(
    ...silent.map(({ service, address, silentMs, why }) => {
      const item = document.createElement('li');
      item.textContent = `${service} ${address} is away${silentMs === null ? '' : `, silent for ${time(silentMs)}`}`;
      item.title = why;
      return item;
    }),
  );
  return silent.length;
};

const showSummary = (processes, away) => {
  const answering = processes.filter(({ presence }) => presence === 'present').length;
  const number = (severity) => [...lanes.values()].filter(({ lane }) => lane.severity === severity).length;
  const states = SEVERITIES.filter((severity) => number(severity) > 0).map(
    (severity) => `${number(severity)} ${severityWord(severity)}`,
  );
  part('summary').textContent =
    `${lanes.size} lanes (${states.join(', ')}) in ${answering} processes${away === 0 ? '' : `, ${away} away`}`;
  const open = number('open');
  document.title = open === 0 ? 'Lanes' : `${open} open · Lanes`;
};

const show = ({ tick, processes, lanes: said }) => {
  const missed = Math.max(0, tick - lastTick);
  lastTick = tick;
  const keys = new Set(said.map(({ key }) => key));
  for (const [key, { tile }] of lanes) {
    if (keys.has(key)) continue;
    tile.element.remove();
    lanes.delete(key);
  }
  for (const lane of said) {
    const known = lanes.get(lane.key);
    const tile = known?.tile ?? createTile(part('tile'));
    const minute = minuteOf(known?.minute, lane, missed);
    announce(known?.lane.severity, lane);
    lanes.set(lane.key, { tile, lane, minute });
    tile.update(lane, minute);
  }
  arrange();
  showSummary(processes, showProcesses(processes));
};

const showConnection = () => {
  const isStale = performance.now() - heardMs > STALE_MS;
  document.body.classList.toggle('stale', isStale);
  const connection = part('connection');
  if (connection.hidden === !isStale) return;
  connection.hidden = !isStale;
  connection.textContent = isStale ? 'No reading has come for some seconds: what is shown is old. Trying again …' : '';
};

const follow = () => {
  const source = new EventSource('lanes.stream');
  source.addEventListener('lanes', (event) => {
    heardMs = performance.now();
    show(JSON.parse(event.data));
    showConnection();
  });
  source.addEventListener('error', () => {
    // A browser comes back by itself, unless it was refused.
    if (source.readyState !== EventSource.CLOSED) return;
    clearTimeout(retry);
    retry = setTimeout(follow, RETRY_MS);
  });
};

filter.addEventListener('input', arrange);
sort.addEventListener('change', arrange);
filter.form.addEventListener('submit', (event) => event.preventDefault());
setInterval(showConnection, 1_000);
follow();
