import type { Clock } from '@tillmesh/clock';

/** One step of a longer work and how long it took. */
export type Step = { readonly name: string; readonly tookMs: number };

/** Measures the steps of a longer work. */
export type StepWatch = {
  /** Does the step and notes how long it took; one that throws is noted too. */
  step<T>(name: string, work: () => Promise<T>): Promise<T>;
  steps(): readonly Step[];
  /** Whole milliseconds since the watch was made. */
  tookMs(): number;
};

/** A watch that runs from now on. */
export const createStepWatch = (clock: Clock): StepWatch => {
  const beganMs = clock.monotonicMs();
  const steps: Step[] = [];
  return {
    step: async (name, work) => {
      const stepBeganMs = clock.monotonicMs();
      try {
        return await work();
      } finally {
        steps.push({ name, tookMs: Math.round(clock.monotonicMs() - stepBeganMs) });
      }
    },
    steps: () => [...steps],
    tookMs: () => Math.round(clock.monotonicMs() - beganMs),
  };
};
