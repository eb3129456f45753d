import type { Clock } from '@tillmesh/clock';

/** One measured figure against what it should be. */
export type Target = {
  readonly name: string;
  readonly measured: number;
  readonly op: '<=' | '>=' | '==';
  readonly target: number;
};

/** What a drill found. */
export type DrillReport = {
  /** Under which it was run: a person has to be able to judge the figures. */
  readonly conditions: Readonly<Record<string, string | number>>;
  readonly figures: Readonly<Record<string, number>>;
  readonly targets: readonly Target[];
  /** What to look at: tables, lists of what is wrong. */
  readonly lines: readonly string[];
};

export type DrillOptions = {
  /** How long payments are made, seconds. */
  readonly seconds: number;
  /** Payments begun each second. */
  readonly rate: number;
  readonly seed: number;
  /** Absolute path of an empty folder for the data. */
  readonly folder: string;
  /** Absolute path for the picture of a drill that draws one. */
  readonly svgFile: string;
  /** Absolute path for a picture of the live page, of a drill that can take one; without it none is taken. */
  readonly pngFile?: string;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly onProgress: (line: string) => void;
};

export type Drill = {
  readonly name: string;
  readonly title: string;
  readonly defaults: { readonly seconds: number; readonly rate: number };
  readonly run: (options: DrillOptions) => Promise<DrillReport>;
};

/** Whether a target was met. */
export const isHeld = ({ measured, op, target }: Target): boolean =>
  op === '<=' ? measured <= target : op === '>=' ? measured >= target : measured === target;
