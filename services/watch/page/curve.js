// A lane's last minute. Points are [well per second, bad per second, open share, in flight]; null where one was missed.

import { rate } from './words.js';

const SECONDS = 60;
const WIDTH = SECONDS - 1;
const HEIGHT = 30;
const SVG = 'http://www.w3.org/2000/svg';

/** The largest total of a minute; at least 1, so that a lane at rest is a flat line. */
const mostOf = (minute) => Math.max(1, ...minute.map((point) => (point === null ? 0 : point[0] + point[1])));

const pathIn = (svg, name) => {
  const known = svg.querySelector(`.${name}`);
  if (known !== null) return known;
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('class', name);
  svg.append(path);
  return path;
};

/** An area between two heights per point; a gap ends it. */
const area = (points, bottom, top) => {
  const runs = [];
  let run = [];
  for (const [place, point] of points) {
    if (point === null) {
      if (run.length > 0) runs.push(run);
      run = [];
    } else run.push([place, point]);
  }
  if (run.length > 0) runs.push(run);
  return runs
    .map((part) => {
      const over = part.map(([place, point]) => `${place} ${top(point).toFixed(2)}`);
      const under = part.map(([place, point]) => `${place} ${bottom(point).toFixed(2)}`).reverse();
      return `M${over.join(' L')} L${under.join(' L')} Z`;
    })
    .join(' ');
};

/** Draws the minute; the newest second is at the right edge. */
export const drawCurve = (svg, minute) => {
  const most = mostOf(minute);
  const first = SECONDS - minute.length;
  const points = minute.map((point, place) => [first + place, point]);
  const y = (perSecond) => HEIGHT - (perSecond / most) * (HEIGHT - 2);
  // The background first: whatever is drawn later lies above it.
  pathIn(svg, 'open').setAttribute(
    'd',
    points
      .filter(([, point]) => point !== null && point[2] > 0)
      .map(([place]) => `M${Math.max(0, place - 1)} 0 H${Math.min(place, WIDTH)} V${HEIGHT} H${Math.max(0, place - 1)} Z`)
      .join(' '),
  );
  pathIn(svg, 'well').setAttribute(
    'd',
    area(
      points,
      () => HEIGHT,
      ([well]) => y(well),
    ),
  );
  pathIn(svg, 'bad').setAttribute(
    'd',
    area(
      points,
      ([well]) => y(well),
      ([well, bad]) => y(well + bad),
    ),
  );
  const last = minute.at(-1) ?? null;
  svg.setAttribute(
    'aria-label',
    last === null
      ? 'the last minute'
      : `the last minute: at most ${rate(most)}, now ${rate(last[0])} well and ${rate(last[1])} failed or rejected`,
  );
  return most;
};
