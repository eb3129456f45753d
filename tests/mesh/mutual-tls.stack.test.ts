import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock, systemRandom } from '@tillmesh/clock';
import { type Mesh, type ServiceName, startMesh } from '@tillmesh/local-mesh';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { PaymentKind, PaymentState, Wallet } from '@tillmesh/proto/tillmesh/payment/v1/payment_pb.ts';
import { createClient, type RpcClient, setProcessIdentity, useIdentityOf } from '@tillmesh/rpc';
import { type Issued, issueCertificate } from '@tillmesh/testing/issued-certificate';
import { mountSecret, tlsSecret } from '@tillmesh/testing/mounted-secret';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSandboxControl, type SandboxControl } from '../../scripts/demo/sandbox-control.ts';

// Every service with the certificate of a mounted Secret, which is changed while payments go on.

const clock = systemClock;
const folder = mkdtempSync(join(tmpdir(), 'tillmesh-mutual-tls-'));
const secretFolder = join(folder, 'tls');
const SERVER_NAME = 'tillmesh';
/** Services look at their files every 5 s. */
const SEEN_MS = 7_000;
const PAUSE_MS = 150;
const PAID = 'paid';
const SERVICES = ['order-store', 'routing', 'channel-wechat', 'cashier', 'syncer'] as const satisfies ServiceName[];
const authority = issueCertificate({ commonName: 'mesh', isAuthority: true });
const next = issueCertificate({ commonName: 'mesh of next year', isAuthority: true });
const ownOf = (issuer: Issued): Issued => issueCertificate({ commonName: 'service', issuer, names: [SERVER_NAME] });
let mesh: Mesh;
let cashier: RpcClient<typeof CashierService>;
let sandbox: SandboxControl;

beforeAll(async () => {
  mountSecret(secretFolder, tlsSecret(ownOf(authority), [authority]));
  // What asks whether services are ready needs a certificate as well.
  await useIdentityOf({ TILLMESH_TLS_FOLDER: secretFolder, TILLMESH_TLS_SERVER_NAME: SERVER_NAME }, clock);
  const tls = { folder: secretFolder, serverName: SERVER_NAME };
  mesh = await startMesh({
    folder,
    env: process.env,
    clock,
    logLevel: 'info',
    groupTags: [1],
    settings: Object.fromEntries(SERVICES.map((service) => [service, { server: { tls } }])),
    services: ['sandbox', ...SERVICES],
  });
  cashier = createClient(CashierService, { target: mesh.address('cashier'), caller: 'till', capMs: 40_000 });
  sandbox = createSandboxControl(mesh.address('sandbox-control'));
}, 120_000);

afterAll(async () => {
  setProcessIdentity(undefined);
  cashier?.close();
  await mesh?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const sale = async () => ({
  merchantId: 'demo-cafe',
  merchantOrderNo: `TLS-${systemRandom.hex(6)}`,
  amount: { currency: 'CNY', minorUnits: 1_000n },
  subject: 'Flat white',
  kind: PaymentKind.PAYMENT_CODE,
  wallet: Wallet.WECHAT,
  paymentCode: await sandbox.paymentCode('wechat'),
});
const pay = async (till: RpcClient<typeof CashierService>): Promise<string> => {
  try {
    const { payment } = await till.createPayment(await sale());
    return payment?.state === PaymentState.SUCCEEDED ? PAID : `state ${payment?.state}`;
  } catch (error) {
    return String(error);
  }
};

/** Pays as a process would that has this certificate. @param capMs of the call: who is not heard waits for so long. */
const payWith = async (own: Issued, believed: readonly Issued[], capMs: number): Promise<string> => {
  const ownFolder = mkdtempSync(join(tmpdir(), 'tillmesh-till-'));
  mountSecret(ownFolder, tlsSecret(own, believed));
  await useIdentityOf({ TILLMESH_TLS_FOLDER: ownFolder, TILLMESH_TLS_SERVER_NAME: SERVER_NAME }, clock);
  const till = createClient(CashierService, { target: mesh.address('cashier'), caller: 'till', capMs });
  try {
    return await pay(till);
  } finally {
    till.close();
    rmSync(ownFolder, { recursive: true });
  }
};

test('payments go on while the certificates of all services, and whom they believe, are changed', async () => {
  expect(await pay(cashier)).toBe(PAID);
  const ends: string[] = [];
  const stop = new AbortController();
  const load = (async () => {
    while (!stop.signal.aborted) {
      ends.push(await pay(cashier));
      await clock.sleep(PAUSE_MS);
    }
  })();
  for (const [issuer, believed] of [
    [authority, [authority, next]],
    [next, [authority, next]],
    [next, [next]],
  ] as const) {
    mountSecret(secretFolder, tlsSecret(ownOf(issuer), believed));
    await clock.sleep(SEEN_MS);
    // Connections made from now on have what is new: each process is made to open its own again.
    for (const name of ['channel-wechat', 'routing']) await mesh.services.kill(name, 'SIGTERM');
  }
  stop.abort();
  await load;
  expect(ends.length).toBeGreaterThan(20);
  expect(ends.filter((end) => end !== PAID)).toEqual([]);
  expect(await payWith(ownOf(next), [next], 40_000)).toBe(PAID);
  expect(await payWith(ownOf(authority), [authority, next], 6_000)).not.toBe(PAID);
}, 120_000);

test('a till without a certificate takes no payment', async () => {
  setProcessIdentity(undefined);
  const till = createClient(CashierService, { target: mesh.address('cashier'), caller: 'till', capMs: 6_000 });
  try {
    expect(await pay(till)).not.toBe(PAID);
  } finally {
    till.close();
  }
});
