import { hash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { type RoutingTable, RoutingTableSchema } from '@tillmesh/proto/tillmesh/routing/v1/routing_table_pb.ts';

// A message that was cut between two fields is a message too, with fewer accounts, and an empty file is a table without any:
// the digest in front tells.
const DIGEST = 'sha256';
const DIGEST_BYTES = 32;

const digestOf = (bytes: Uint8Array): Buffer => hash(DIGEST, bytes, 'buffer');

/** Keeps a routing table for a start while routing is down. After a crash the file is the old one or the new one. */
export const writeSnapshot = (path: string, table: RoutingTable): void => {
  const bytes = toBinary(RoutingTableSchema, table);
  const beside = `${path}.new`;
  const file = openSync(beside, 'w', 0o600);
  try {
    writeSync(file, Buffer.concat([digestOf(bytes), bytes]));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(beside, path);
};

/** The table that was kept; throws where the file is not what was written. */
export const readSnapshot = (path: string): RoutingTable => {
  const content = readFileSync(path);
  const bytes = content.subarray(DIGEST_BYTES);
  if (!digestOf(bytes).equals(content.subarray(0, DIGEST_BYTES))) throw new Error('the file is damaged');
  return fromBinary(RoutingTableSchema, bytes);
};
