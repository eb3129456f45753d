import type { OutcomeCounts } from '@tillmesh/domain';

/** Outcomes older than this have no say. */
const WINDOW_MS = 300_000;
const SLICE_MS = 10_000;
const SLICES = WINDOW_MS / SLICE_MS;

type Slice = { at: number; good: number; bad: number };

/** Counts of the last five minutes, in slices of ten seconds. Times are of a monotonic clock. */
export class OutcomeWindow {
  readonly #slices: Slice[] = Array.from({ length: SLICES }, () => ({ at: -1, good: 0, bad: 0 }));

  add(sign: 'good' | 'bad', nowMs: number): void {
    const at = Math.floor(nowMs / SLICE_MS);
    const slice = this.#slices[at % SLICES];
    if (slice === undefined) return;
    if (slice.at !== at) Object.assign(slice, { at, good: 0, bad: 0 });
    slice[sign] += 1;
  }

  counts(nowMs: number): OutcomeCounts {
    const oldest = Math.floor(nowMs / SLICE_MS) - SLICES;
    let good = 0;
    let bad = 0;
    for (const slice of this.#slices) {
      if (slice.at <= oldest) continue;
      good += slice.good;
      bad += slice.bad;
    }
    return { good, bad };
  }
}
