import { hash } from 'node:crypto';
import { type GroupTag, parseGroupTag } from '@tillmesh/domain';
import type { PagePosition } from '@tillmesh/order-groups';

/** What a page token carries: where the list goes on, and the lower bound that its first page had. */
export type PageToken = { readonly position: PagePosition; readonly floor: bigint };

// Opaque to callers: a byte of form, 8 of the question's digest, floor, place, and 9 bytes for each group with a place of its own. No
// secret stands in it, and nothing that is not checked by the query itself follows from it.
const FORM = 1;
const DIGEST_BYTES = 8;
const HEAD_BYTES = 1 + DIGEST_BYTES + 16;
const PLACE_BYTES = 9;

const digestOf = (question: string): Buffer =>
  Buffer.from(hash('sha256', question, 'hex').slice(0, DIGEST_BYTES * 2), 'hex');

/** @param question what the list is of: a token of another one is refused. */
export const writePageToken = ({ position, floor }: PageToken, question: string): string => {
  const places = [...position.behind];
  const bytes = Buffer.alloc(HEAD_BYTES + places.length * PLACE_BYTES);
  bytes.writeUInt8(FORM, 0);
  digestOf(question).copy(bytes, 1);
  bytes.writeBigUInt64BE(floor, 1 + DIGEST_BYTES);
  bytes.writeBigUInt64BE(position.before, 1 + DIGEST_BYTES + 8);
  for (const [index, [tag, place]] of places.entries()) {
    bytes.writeUInt8(tag, HEAD_BYTES + index * PLACE_BYTES);
    bytes.writeBigUInt64BE(place, HEAD_BYTES + index * PLACE_BYTES + 1);
  }
  return bytes.toString('base64url');
};

/** Undefined where it is none of ours, or of another question. */
export const readPageToken = (token: string, question: string): PageToken | undefined => {
  const bytes = Buffer.from(token, 'base64url');
  const places = (bytes.length - HEAD_BYTES) / PLACE_BYTES;
  if (!Number.isInteger(places) || places < 0 || bytes.toString('base64url') !== token) return undefined;
  if (bytes.readUInt8(0) !== FORM || !bytes.subarray(1, 1 + DIGEST_BYTES).equals(digestOf(question))) return undefined;
  const behind = new Map<GroupTag, bigint>();
  for (let index = 0; index < places; index += 1) {
    const tag = parseGroupTag(bytes.readUInt8(HEAD_BYTES + index * PLACE_BYTES));
    if (tag === undefined) return undefined;
    behind.set(tag, bytes.readBigUInt64BE(HEAD_BYTES + index * PLACE_BYTES + 1));
  }
  const floor = bytes.readBigUInt64BE(1 + DIGEST_BYTES);
  return { floor, position: { before: bytes.readBigUInt64BE(1 + DIGEST_BYTES + 8), behind } };
};
