import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { findGrpcurl } from './find-grpcurl.ts';

/** A folder with programs that end with a status; and one that does not exist yet, for what is installed. */
const folders = (programs: Readonly<Record<string, number>>) => {
  const root = mkdtempSync(join(tmpdir(), 'tillmesh-find-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const onPath = join(root, 'bin');
  mkdirSync(onPath);
  for (const [name, status] of Object.entries(programs)) {
    writeFileSync(join(onPath, name), `#!/bin/sh\necho "$@, into $GOBIN" >&2\nexit ${status}\n`);
    chmodSync(join(onPath, name), 0o755);
  }
  return { onPath, tools: join(root, 'tools') };
};

test('a grpcurl on PATH is used', async () => {
  const { onPath, tools } = folders({ grpcurl: 0, go: 1 });
  expect(await findGrpcurl({ PATH: `/nowhere:${onPath}` }, tools)).toEqual({ kind: 'found', folder: onPath });
});

test('one that was built before is used', async () => {
  const { onPath } = folders({ grpcurl: 0 });
  expect(await findGrpcurl({ PATH: '/nowhere' }, onPath)).toEqual({ kind: 'found', folder: onPath });
});

test('where there is Go it is built among the tools of this checkout, in one fixed version', async () => {
  const { onPath, tools } = folders({ go: 0 });
  expect(await findGrpcurl({ PATH: onPath }, tools)).toEqual({ kind: 'found', folder: tools });
});

test('where it cannot be built, or there is no Go, the reader is told so', async () => {
  const { onPath, tools } = folders({ go: 2 });
  expect(await findGrpcurl({ PATH: onPath }, tools)).toEqual({
    kind: 'missing',
    why: expect.stringMatching(/status 2: install github\.com\/.*@v\d+\.\d+\.\d+, into .*tools$/),
  });
  expect(await findGrpcurl({ PATH: '/nowhere' }, tools)).toEqual({
    kind: 'missing',
    why: expect.stringContaining('neither grpcurl nor go'),
  });
});
