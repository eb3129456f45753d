import type { Clock } from '@tillmesh/clock';
import type { DrillReport } from '../drills/drill.ts';

/** What a bench is run with. */
export type BenchOptions = {
  /** Interleaved rounds; the median over them is reported. */
  readonly rounds: number;
  /** How long each thing is measured in a round, seconds. */
  readonly seconds: number;
  /** Further options by name, as they were typed. */
  readonly extra: Readonly<Record<string, string>>;
  readonly seed: number;
  /** Absolute path of an empty folder for the data. */
  readonly folder: string;
  readonly clock: Clock;
  readonly onProgress: (line: string) => void;
};

/** A measurement; its report has the form of a drill's. */
export type Bench = {
  readonly name: string;
  readonly title: string;
  readonly defaults: { readonly rounds: number; readonly seconds: number };
  readonly run: (options: BenchOptions) => Promise<DrillReport>;
};

/** The middle of some figures; of an even count the upper of the two. */
export const median = (figures: readonly number[]): number =>
  figures.toSorted((a, b) => a - b)[Math.floor(figures.length / 2)] ?? Number.NaN;

/** `0.91 (0.85 to 0.97)`: the median and between what the figures lie. */
export const spread = (figures: readonly number[], digits = 2): string =>
  `${median(figures).toFixed(digits)} (${Math.min(...figures).toFixed(digits)} to ${Math.max(...figures).toFixed(digits)})`;
