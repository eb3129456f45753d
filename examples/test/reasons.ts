import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Code, type RpcError } from '@tillmesh/rpc';
import { ROOT } from './run-to-end.ts';

/** What is told of a reason: the gRPC code, and the facts that come with it. */
export type Reason = {
  readonly reason: string;
  readonly code: string;
  readonly metadata: readonly string[];
  readonly retryInfo: boolean;
};

const bySpelling = (a: string, b: string): number => (a < b ? -1 : 1);

/** The names after "metadata:", each perhaps with a remark in brackets, up to the end of the sentence. */
const metadataIn = (comment: string): string[] =>
  (/metadata: (.*?)\.(?: |$)/.exec(comment)?.[1] ?? '')
    .replaceAll(/\([^)]*\)/g, '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
    .toSorted(bySpelling);

/** Every reason as error/v1/reason.proto documents it, by name. */
export const documentedReasons = (): ReadonlyMap<string, Reason> => {
  const proto = readFileSync(join(ROOT, 'proto', 'tillmesh', 'error', 'v1', 'reason.proto'), 'utf8');
  const values = proto.matchAll(/((?:^ {2}\/\/.*\n)+) {2}ERROR_REASON_(\w+) = \d+;/gm);
  return new Map(
    [...values].map(([, lines = '', reason = '']) => {
      const comment = lines.replaceAll(/\n? *\/\/ /g, ' ').trim();
      const code = /^([A-Z_]+)\b/.exec(comment)?.[1] ?? '';
      const retryInfo = /^[A-Z_]+ with RetryInfo\./.test(comment);
      return [reason, { reason, code, metadata: metadataIn(comment), retryInfo }];
    }),
  );
};

/** An error as a caller met it, in the same words. */
export const reasonMet = (error: RpcError): Reason => ({
  reason: error.reason,
  code: Code[error.code] ?? String(error.code),
  metadata: Object.keys(error.metadata).toSorted(bySpelling),
  retryInfo: error.retryAfterMs !== undefined,
});
