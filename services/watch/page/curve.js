// A lane's last minute. Points are [well per second, bad per second, open share, in flight]; null where one was missed.

import { rate } from './words.js';

const SECONDS = 60;
const WIDTH = SECONDS - 1;
const HEIGHT = 30;
const SVG = 'http://www.w3.org/2000/svg';

/** The largest total of a minute. */
const mostOf = (minute) => Math.max(0, ...minute.map((point) => (point === null ? 0 : point[0] + point[1])));

const pathIn = (svg, name) => {
  const known = svg.querySelector(`.${name}`);
  if (known !== null) return known;
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('class', name);
  svg.append(path);
  return path;
};

/** The parts of a minute without a gap. */
const runsOf = (points) => {
  const runs = [];
  let run = [];
  for (const [place, point] of points) {
    if (point === null) {
      if (run.length > 0) runs.push(run);
      run = [];
    } else run.push([place, point]);
  }
  if (run.length > 0) runs.push(run);
  return runs;
};

const line = (run, height) => run.map(([place, point]) => `${place} ${height(point).toFixed(2)}`);

/** The area between two heights of each point. */
const area = (runs, bottom, top) =>
  runs.map((run) => `M${line(run, top).join(' L')} L${line(run, bottom).reverse().join(' L')} Z`).join(' ');

/** Draws the minute, the newest second at the right edge; returns the most calls per second in it. */
export const drawCurve = (svg, minute) => {
  const most = mostOf(minute);
  const first = SECONDS - minute.length;
  const points = minute.map((point, place) => [first + place, point]);
  // A call now and then is a low line, not a mountain.
  const scale = (HEIGHT - 2) / Math.max(1, most);
  const y = (perSecond) => HEIGHT - perSecond * scale;
  // The background first: whatever is drawn later lies above it.
  pathIn(svg, 'open').setAttribute(
    'd',
    points
      .filter(([, point]) => point !== null && point[2] > 0)
      .map(
        ([place]) => `M${Math.max(0, place - 1)} 0 H${Math.min(place, WIDTH)} V${HEIGHT} H${Math.max(0, place - 1)} Z`,
      )
      .join(' '),
  );
  const runs = runsOf(points);
  const floor = () => HEIGHT;
  const well = (point) => y(point[0]);
  const total = (point) => y(point[0] + point[1]);
  pathIn(svg, 'well').setAttribute('d', area(runs, floor, well));
  pathIn(svg, 'bad').setAttribute('d', area(runs, well, total));
  pathIn(svg, 'total').setAttribute('d', runs.map((run) => `M${line(run, total).join(' L')}`).join(' '));
  const last = minute.at(-1) ?? null;
  svg.setAttribute(
    'aria-label',
    last === null
      ? 'the last minute'
      : `the last minute: at most ${rate(most)}, now ${rate(last[0])} well and ${rate(last[1])} failed or rejected`,
  );
  return most;
};
