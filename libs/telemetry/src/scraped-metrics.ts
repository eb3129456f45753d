type Labels = Readonly<Record<string, string>>;

export type ScrapedValue = { readonly labels: Labels; readonly value: number };

/** Durations by their upper edges in seconds; `counts` are running sums, with one more for what is longer than all. */
export type ScrapedHistogram = {
  readonly labels: Labels;
  readonly edges: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
};

/** A metric whose values are kept elsewhere and read when they are asked for. */
export type ScrapedMetric = { readonly name: string; readonly help: string } & (
  | { readonly type: 'counter' | 'gauge'; readonly read: () => readonly ScrapedValue[] }
  | { readonly type: 'histogram'; readonly read: () => readonly ScrapedHistogram[] }
);

const metrics: ScrapedMetric[] = [];

/** Adds a metric that is read when it is asked for: recording costs its owner nothing but its own counting. */
export const scraped = (metric: ScrapedMetric): void => {
  metrics.push(metric);
};

const labelText = (labels: Labels): string =>
  Object.entries(labels)
    .map(
      ([name, value]) => `${name}="${value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')}"`,
    )
    .join(',');

const histogramLines = (name: string, { labels, edges, counts, sum }: ScrapedHistogram): string[] => {
  const all = counts.at(-1) ?? 0;
  if (all === 0) return [];
  const bucket = (edge: string, count: number) => `${name}_bucket{${labelText({ ...labels, le: edge })}} ${count}`;
  return [
    ...edges.map((edge, place) => bucket(String(edge), counts[place] ?? 0)),
    bucket('+Inf', all),
    `${name}_sum{${labelText(labels)}} ${sum}`,
    `${name}_count{${labelText(labels)}} ${all}`,
  ];
};

const linesOf = (metric: ScrapedMetric): string[] => {
  const { name } = metric;
  const values =
    metric.type === 'histogram'
      ? metric.read().flatMap((histogram) => histogramLines(name, histogram))
      : metric.read().map(({ labels, value }) => `${name}{${labelText(labels)}} ${value}`);
  return [`# HELP ${name} ${metric.help}`, `# TYPE ${name} ${metric.type}`, ...values];
};

/** All of them in Prometheus' text form. One that cannot be read is left out and does not cost the others. */
export const scrapedText = (): string =>
  metrics
    .flatMap((metric) => {
      try {
        return linesOf(metric);
      } catch {
        return [];
      }
    })
    .map((line) => `${line}\n`)
    .join('');
