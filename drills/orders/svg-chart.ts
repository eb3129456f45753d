import { type Second, successOf } from './second-chart.ts';

const WIDTH = 960;
const LEFT = 60;
const RIGHT = 20;
const ORDERS = { top: 50, height: 170 };
const SUCCESS = { top: 270, height: 70 };
const LATENCY = { top: 390, height: 110 };
const HEIGHT = 560;
const COLOURS = ['#4477aa', '#ee6677', '#228833', '#ccbb44', '#66ccee', '#aa3377'] as const;
const GRID = '#cccccc';

const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const text = (x: number, y: number, words: string, more = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${more}>${escapeXml(words)}</text>`;

/** The request curve as an SVG file: orders by group, the part that succeeded, and the slowest answer, second by second. */
export const svgChart = (
  title: string,
  seconds: readonly Second[],
  groupTags: readonly number[],
  withinMs: number,
): string => {
  const step = (WIDTH - LEFT - RIGHT) / Math.max(1, seconds.length);
  const xOf = (place: number) => LEFT + place * step;
  const most = Math.max(1, ...seconds.map(({ begun }) => begun));
  const colourOf = (place: number) => COLOURS[place % COLOURS.length] ?? GRID;

  const orders = seconds.flatMap(({ byGroup }, place) => {
    let below = 0;
    return groupTags.map((tag, group) => {
      const height = ((byGroup.get(tag) ?? 0) / most) * ORDERS.height;
      below += height;
      const y = ORDERS.top + ORDERS.height - below;
      return `<rect x="${xOf(place).toFixed(1)}" y="${y.toFixed(1)}" width="${(step * 0.9).toFixed(1)}" height="${height.toFixed(1)}" fill="${colourOf(group)}"/>`;
    });
  });
  const lineOf = (panel: typeof ORDERS, part: (second: Second) => number, colour: string): string => {
    const points = seconds.map((second, place) => {
      const y = panel.top + panel.height * (1 - Math.min(1, part(second)));
      return `${(xOf(place) + step / 2).toFixed(1)},${y.toFixed(1)}`;
    });
    return `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="1.5"/>`;
  };
  const frame = (panel: typeof ORDERS, name: string, top: string): string[] => [
    `<rect x="${LEFT}" y="${panel.top}" width="${WIDTH - LEFT - RIGHT}" height="${panel.height}" fill="none" stroke="${GRID}"/>`,
    text(LEFT, panel.top - 6, name, 'font-weight="bold"'),
    text(LEFT - 6, panel.top + 10, top, 'text-anchor="end"'),
    text(LEFT - 6, panel.top + panel.height, '0', 'text-anchor="end"'),
  ];
  const marks = seconds.flatMap(({ marks: own }, place) =>
    own.flatMap((mark, nth) => [
      `<line x1="${xOf(place).toFixed(1)}" x2="${xOf(place).toFixed(1)}" y1="${ORDERS.top}" y2="${LATENCY.top + LATENCY.height}" stroke="#333333" stroke-dasharray="3 3"/>`,
      `<text transform="translate(${(xOf(place) + 4 + nth * 11).toFixed(1)} ${(SUCCESS.top - 8).toFixed(1)}) rotate(-90)" font-size="10">${escapeXml(mark)}</text>`,
    ]),
  );
  const axis = seconds.flatMap(({ second }, place) =>
    second % 5 === 0 ? [text(xOf(place), LATENCY.top + LATENCY.height + 16, String(second))] : [],
  );
  const legend = groupTags.flatMap((tag, group) => [
    `<rect x="${WIDTH - 90 * (groupTags.length - group)}" y="28" width="10" height="10" fill="${colourOf(group)}"/>`,
    text(WIDTH - 90 * (groupTags.length - group) + 16, 38, `group ${tag}`),
  ]);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    text(LEFT, 20, title, 'font-size="15" font-weight="bold"'),
    ...legend,
    ...frame(ORDERS, 'new orders a second, by the group that took them', String(most)),
    ...frame(SUCCESS, `answered with an order within ${withinMs} ms, at the first try`, '100 %'),
    ...frame(LATENCY, 'slowest answer and p99 (grey), ms', String(withinMs)),
    ...orders,
    lineOf(SUCCESS, successOf, '#228833'),
    lineOf(LATENCY, ({ p99Ms }) => p99Ms / withinMs, '#999999'),
    lineOf(LATENCY, ({ slowestMs }) => slowestMs / withinMs, '#aa3377'),
    ...marks,
    ...axis,
    text(WIDTH / 2, HEIGHT - 12, 'seconds', 'text-anchor="middle"'),
    '</svg>',
    '',
  ].join('\n');
};
