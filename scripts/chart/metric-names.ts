import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../run-program.ts';

const sourcesIn = (folder: string): readonly string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((path) => /^[^/]+\/src\/.*\.ts$/.test(path))
    .map((path) => readFileSync(join(root, folder, path), 'utf8'));

/** What prom-client's default metrics add, as far as it is used. */
const DEFAULTS = ['process_cpu_seconds_total', 'process_resident_memory_bytes', 'nodejs_heap_size_used_bytes', 'up'];

/** The name of every metric that the code registers; histograms with their parts. */
export const metricNames = (): ReadonlySet<string> => {
  const texts = [...sourcesIn('libs'), ...sourcesIn('services')];
  const found = (pattern: RegExp): readonly string[] =>
    texts.flatMap((text) => [...text.matchAll(pattern)].map((match) => match[1] ?? ''));
  const plain = found(/\b(?:counter|gauge)\(\s*'([a-z0-9_]+)'/g);
  const scraped = found(/\bname: '([a-z0-9_]+)',\s*help:/g);
  const histograms = [
    ...found(/\bdurations\(\s*'([a-z0-9_]+)'/g),
    ...scraped.filter((name) => name.endsWith('_seconds')),
  ];
  return new Set([
    ...DEFAULTS,
    ...plain,
    ...scraped,
    ...histograms.flatMap((name) => [`${name}_bucket`, `${name}_sum`, `${name}_count`]),
  ]);
};

/** The metrics that a query of Prometheus reads. */
export const metricsIn = (query: string): readonly string[] => {
  const bare = query
    .replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
    .replaceAll(/\{[^}]*\}/g, ' ')
    .replaceAll(/\b(?:by|without|on|ignoring)\s*\([^)]*\)/g, ' ');
  return [...bare.matchAll(/\b[a-z][a-z0-9_]*\b(?!\s*\()/g)]
    .map(([name]) => name)
    .filter((name) => /_|^up$/.test(name));
};
