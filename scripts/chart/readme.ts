import { isMap, isScalar, type Node, type Pair, parseDocument, type YAMLMap } from 'yaml';

/** One line of the table: a value, what it is when nobody sets it, and what its comment says. */
type Row = { readonly path: string; readonly standard: string; readonly about: string };

const commentOf = (pair: Pair): string => {
  const key = pair.key as Node;
  const lines = (key.commentBefore ?? '').split('\n').filter((line) => line.trim().startsWith('--'));
  return lines.map((line) => line.trim().replace(/^-- ?/, '')).join(' ');
};

const rowsOf = (map: YAMLMap, path: readonly string[], firstComment: string): readonly Row[] =>
  map.items.flatMap((pair, place): readonly Row[] => {
    const key = isScalar(pair.key) ? String(pair.key.value) : '';
    const below = [...path, key];
    const value: unknown = pair.value;
    const about = commentOf(pair) || (place === 0 ? firstComment : '');
    if (isMap(value) && value.items.length > 0 && below.length < 4) {
      const before = (value.commentBefore ?? '')
        .split('\n')
        .filter((line) => line.trim().startsWith('--'))
        .map((line) => line.trim().replace(/^-- ?/, ''))
        .join(' ');
      const head = about === '' ? [] : [{ path: below.join('.'), standard: '', about }];
      return [...head, ...rowsOf(value, below, before)];
    }
    const plain: unknown =
      value !== null && typeof value === 'object' && 'toJSON' in value ? (value as Node).toJSON() : value;
    return [{ path: below.join('.'), standard: JSON.stringify(plain), about }];
  });

/** The chart's README, from the comments of values.yaml that begin with `--`. */
export const readmeText = (values: string): string => {
  const document = parseDocument(values, { merge: true });
  // Anchors are written out: a reader sees what is in force.
  const rows = isMap(document.contents) ? rowsOf(document.contents, [], '') : [];
  const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const code = (text: string): string => (text === '' ? '' : `\`${cell(text)}\``);
  return [
    '# Tillmesh on Kubernetes',
    '',
    '<!-- Made by npm run chart:generate from values.yaml. Do not edit. -->',
    '',
    '`helm install pay ./helm/tillmesh` on an empty cluster gives a working evaluation: order groups, Redis, Jaeger and simulated channels.',
    '[values-production.yaml](values-production.yaml) is the beginning of the production profile. Installing, upgrading, probes, drain and what',
    'alerts mean: [operating](../../docs/operating.md).',
    '',
    '`npm run chart:check` says whether the chart is right. A wrong value is told when it is rendered, with what to set.',
    '',
    '## Values',
    '',
    '| value | unless set | what it is |',
    '| --- | --- | --- |',
    ...rows.map(({ path, standard, about }) => `| \`${path}\` | ${code(standard)} | ${cell(about)} |`),
    '',
  ].join('\n');
};
