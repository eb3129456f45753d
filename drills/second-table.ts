import { PaymentState } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { tableLines } from '../scripts/demo/result-table.ts';
import type { Sample } from './payment-stream.ts';

/** Something that happened during a stream, for the table. */
export type Mark = { readonly atMs: number; readonly text: string };

/** Keeps what happens during a drill, and tells it at once. */
export const createMarks = (
  sinceBegin: () => number,
  onProgress: (line: string) => void,
): { readonly marks: readonly Mark[]; readonly mark: (text: string) => void } => {
  const marks: Mark[] = [];
  return {
    marks,
    mark: (text) => {
      marks.push({ atMs: sinceBegin(), text });
      onProgress(text);
    },
  };
};

/** Samples by the second in which they began. */
export const bySecond = (samples: readonly Sample[]): Sample[][] => {
  const seconds: Sample[][] = [];
  for (const sample of samples) {
    const second = Math.floor(sample.atMs / 1_000);
    while (seconds.length <= second) seconds.push([]);
    seconds[second]?.push(sample);
  }
  return seconds;
};

const count = (samples: readonly Sample[], is: (sample: Sample) => boolean): string =>
  String(samples.filter(is).length);

/** A line for each second: what was begun, how it was answered, by which group, how slowly. */
export const secondTable = (
  samples: readonly Sample[],
  groupTags: readonly number[],
  marks: readonly Mark[],
): string[] =>
  tableLines([
    [
      'second',
      'begun',
      'paid',
      'on its way',
      'declined',
      'no answer',
      'errors',
      ...groupTags.map((tag) => `group ${tag}`),
      'slowest ms',
      '',
    ],
    ...bySecond(samples).map((own, second) => [
      String(second),
      String(own.length),
      count(own, ({ answer }) => answer?.state === PaymentState.SUCCEEDED),
      count(own, ({ answer }) => answer?.state === PaymentState.PAYING),
      count(own, ({ answer }) => answer?.state === PaymentState.DECLINED || answer?.state === PaymentState.FAILED),
      count(own, ({ answer }) => answer === undefined),
      String(own.reduce((sum, { errors }) => sum + errors.length, 0)),
      ...groupTags.map((tag) => count(own, ({ answer }) => answer?.groupTag === tag)),
      String(Math.round(Math.max(0, ...own.map(({ tookMs }) => tookMs)))),
      marks
        .filter(({ atMs }) => Math.floor(atMs / 1_000) === second)
        .map(({ text }) => text)
        .join('; '),
    ]),
  ]);
