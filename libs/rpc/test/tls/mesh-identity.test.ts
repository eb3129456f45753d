import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { systemClock } from '@tillmesh/clock';
import { QueryService } from '@tillmesh/proto/tillmesh/query/v1/query_service_pb.ts';
import { type Issued, issueCertificate } from '@tillmesh/testing/issued-certificate';
import { mountSecret, tlsSecret } from '@tillmesh/testing/mounted-secret';
import { expect, onTestFinished, test } from 'vitest';
import { createClient, isServing, type MeshIdentity, openIdentity, toRpcError } from '../../src/index.ts';
import { aQueryClient, aQueryServer, ORDER_NO, PAYMENT, QUIET, targetOf } from '../a-server.ts';

const LOOK_MS = 20;
const authority = issueCertificate({ commonName: 'mesh', isAuthority: true });
const stranger = issueCertificate({ commonName: 'stranger', isAuthority: true });
const addresses = ['127.0.0.1'];
const of = (issuer: Issued, commonName = 'service'): Issued => issueCertificate({ commonName, issuer, addresses });

/** An identity whose files are looked at all the time, until the test ends. */
const anIdentity = async (own: Issued, authorities: readonly Issued[], serverName?: string) => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-tls-'));
  mountSecret(folder, tlsSecret(own, authorities));
  const identity = await openIdentity({ folder, serverName }, systemClock);
  const stop = new AbortController();
  const following = identity.follow({ log: QUIET, signal: stop.signal, everyMs: LOOK_MS });
  onTestFinished(async () => {
    stop.abort();
    await following;
    rmSync(folder, { recursive: true });
  });
  const change = (files: Readonly<Record<string, string>>): void => mountSecret(folder, files);
  return { identity, change };
};

const answer = async () => ({ payment: { orderNo: ORDER_NO } });
const aServer = (identity: MeshIdentity) => aQueryServer(answer, { identity });
const aClient = (target: string, identity: MeshIdentity, serverName = '') => {
  const client = createClient(QueryService, {
    target,
    caller: 'test',
    capMs: 2_000,
    identity,
    ...(serverName === '' ? {} : { serverName }),
  });
  onTestFinished(() => client.close());
  return client;
};
const reasonOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'answered',
    (error: unknown) => toRpcError(error).message,
  );
/** What comes of a call of a client that connects now. */
const callOf = async (port: number, own: Issued, authorities: readonly Issued[]): Promise<string> => {
  const { identity } = await anIdentity(own, authorities);
  return reasonOf(aClient(targetOf(port), identity).getPayment({ payment: PAYMENT }));
};

test('two that have certificates of one authority speak, and know of each other whether they serve', async () => {
  const { identity } = await anIdentity(of(authority), [authority]);
  const [one, other] = [await aServer(identity), await aServer(identity)];
  const client = aClient(targetOf(one.port, other.port), identity);
  await expect(client.getPayment({ payment: PAYMENT })).resolves.toMatchObject({ payment: { orderNo: ORDER_NO } });
  expect(await isServing(targetOf(one.port), '', identity)).toBe(true);
  // Health is watched through the same connections: who says that it does not serve gets no calls.
  one.setReady(false);
  await expect.poll(() => isServing(targetOf(one.port), '', identity)).toBe(false);
  for (let calls = 0; calls < 20; calls += 1)
    await expect(client.getPayment({ payment: PAYMENT })).resolves.toMatchObject({ payment: { orderNo: ORDER_NO } });
});

test('nobody is heard without a certificate, or with one of somebody else', async () => {
  const { identity } = await anIdentity(of(authority), [authority]);
  const { port } = await aServer(identity);
  expect(await isServing(targetOf(port))).toBe(false);
  expect(await reasonOf(aQueryClient(targetOf(port), 1_000).getPayment({ payment: PAYMENT }))).not.toBe('answered');
  expect(await callOf(port, of(stranger), [authority, stranger])).not.toBe('answered');

  // It believes the server and shows nothing itself.
  const bare = new Client(targetOf(port), credentials.createSsl(Buffer.from(authority.certificate)));
  onTestFinished(() => bare.close());
  const error = await new Promise<ServiceError | null>((resolve) => {
    bare.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      () => Buffer.alloc(0),
      (bytes) => bytes,
      null,
      { deadline: systemClock.nowMs() + 1_000 },
      resolve,
    );
  });
  expect(error).not.toBeNull();
  expect(await callOf(port, of(authority), [authority])).toBe('answered');
});

test('a server that somebody else vouches for, or that has another name, is told nothing', async () => {
  const { identity: foreign } = await anIdentity(of(stranger), [stranger, authority]);
  const { port } = await aServer(foreign);
  expect(await callOf(port, of(authority), [authority])).not.toBe('answered');

  const { identity: elsewhere } = await anIdentity(
    issueCertificate({ commonName: 'c', issuer: authority, names: ['routing.pay'] }),
    [authority],
  );
  const { port: otherPort } = await aServer(elsewhere);
  expect(await callOf(otherPort, of(authority), [authority])).not.toBe('answered');
  const { identity } = await anIdentity(of(authority), [authority]);
  // A client of one process by its address says whose process it is to be.
  const payment = { payment: PAYMENT };
  expect(await reasonOf(aClient(targetOf(otherPort), identity, 'routing.pay').getPayment(payment))).toBe('answered');
  expect(await reasonOf(aClient(targetOf(otherPort), identity, 'cashier.pay').getPayment(payment))).not.toBe(
    'answered',
  );
});

test('one name may stand in all certificates', async () => {
  const shared = issueCertificate({ commonName: 'c', issuer: authority, names: ['tillmesh'] });
  const { identity } = await anIdentity(shared, [authority], 'tillmesh');
  const { port } = await aServer(identity);
  expect(await isServing(targetOf(port), '', identity)).toBe(true);
  const client = aClient(targetOf(port), identity, 'cashier.pay');
  expect(await reasonOf(client.getPayment({ payment: PAYMENT }))).toBe('answered');
});

test('a certificate, and then its authority, is changed under load and no call fails', async () => {
  const next = issueCertificate({ commonName: 'mesh of next year', isAuthority: true });
  const server = await anIdentity(of(authority), [authority]);
  const caller = await anIdentity(of(authority), [authority]);
  const { port } = await aServer(server.identity);
  const client = aClient(targetOf(port), caller.identity);
  const ends: string[] = [];
  const stop = new AbortController();
  const load = (async () => {
    while (!stop.signal.aborted) {
      ends.push(await reasonOf(client.getPayment({ payment: PAYMENT })));
      // Calls of connections made anew go on too.
      const fresh = createClient(QueryService, {
        target: targetOf(port),
        caller: 'test',
        capMs: 2_000,
        identity: caller.identity,
      });
      ends.push(await reasonOf(fresh.getPayment({ payment: PAYMENT })));
      fresh.close();
    }
  })();
  // As docs/operating.md has it: whom to believe first, then the certificates, then nobody else.
  const steps: readonly (readonly [Issued, readonly Issued[]])[] = [
    [authority, [authority, next]],
    [next, [authority, next]],
    [next, [next]],
  ];
  for (const [issuer, believed] of steps) {
    for (const one of [server, caller]) {
      one.change(tlsSecret(of(issuer), believed));
      await systemClock.sleep(5 * LOOK_MS);
    }
  }
  stop.abort();
  await load;
  expect(ends.length).toBeGreaterThan(20);
  expect(ends.filter((end) => end !== 'answered')).toEqual([]);
  // Whoever has nothing but the old ones is a stranger by now.
  expect(await callOf(port, of(authority), [authority, next])).not.toBe('answered');
  expect(await callOf(port, of(next), [next])).toBe('answered');
});

test('what does not fit together changes nothing', async () => {
  const { identity, change } = await anIdentity(of(authority), [authority]);
  const { port } = await aServer(identity);
  const mine = of(authority);
  const good = tlsSecret(mine, [authority]);
  for (const broken of [
    { ...good, 'tls.key': tlsSecret(of(authority), [])['tls.key'] },
    tlsSecret(of(stranger), [authority]),
    { ...good, 'ca.crt': '' },
    { 'tls.crt': good['tls.crt'] },
  ]) {
    change(broken);
    await systemClock.sleep(4 * LOOK_MS);
    expect(await callOf(port, of(authority), [authority])).toBe('answered');
  }
  const later = tlsSecret(of(stranger), [stranger]);
  change(later);
  await expect.poll(() => callOf(port, of(stranger), [stranger]), { timeout: 15_000 }).toBe('answered');
});

test('a process without certificates that fit does not start', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tillmesh-tls-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  mountSecret(folder, tlsSecret(of(stranger), [authority]));
  await expect(openIdentity({ folder }, systemClock)).rejects.toThrow(
    'tls.crt is issued by none of the authorities in ca.crt',
  );
});
