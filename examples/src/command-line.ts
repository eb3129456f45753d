// What the example programs share on the command line. Nothing here is about payments.

import { readFileSync } from 'node:fs';
import { type Clock, systemClock } from '@tillmesh/clock';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import type { Money } from '@tillmesh/proto/tillmesh/money/v1/money_pb.ts';
import { isServing, useIdentityOf } from '@tillmesh/rpc';
import { createLog, startTelemetry } from '@tillmesh/telemetry';
import { type Cashier, connect } from './cashier-client.ts';
import { tellRefusal } from './refusals.ts';

/** Where `npm start` writes what runs where. */
const MESH_FILE = new URL('../../.local/mesh/mesh.json', import.meta.url);

/** Exit statuses of the programs. */
export const EXIT = { done: 0, refused: 1, notPaid: 2, stillPaying: 3 } as const;

export const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const startedAddress = (meshFile: URL): string | undefined => {
  try {
    const { addresses } = JSON.parse(readFileSync(meshFile, 'utf8')) as { addresses?: Record<string, string> };
    return addresses?.['CashierService'];
  } catch {
    return undefined;
  }
};

/** The cashier's address: --address, else TILLMESH_ADDRESS, else that of the mesh that `npm start` runs in this checkout. */
export const cashierAddress = (option: string | undefined, env: NodeJS.ProcessEnv, meshFile = MESH_FILE): string => {
  const address = option ?? env['TILLMESH_ADDRESS'] ?? startedAddress(meshFile);
  if (address === undefined) {
    throw new Error('No mesh runs in this checkout: type npm start in another terminal, or give --address host:port.');
  }
  return address;
};

/** 12.30 as 1230n, without ever being a float. Undefined where the text is no amount of at most two decimals. */
export const minorUnitsOf = (text: string): bigint | undefined => {
  const [, whole, cents = ''] = /^(\d{1,9})(?:\.(\d{1,2}))?$/.exec(text) ?? [];
  return whole === undefined ? undefined : BigInt(whole) * 100n + BigInt(cents.padEnd(2, '0'));
};

/** @throws {Error} in words for whoever typed it. */
export const demandMinorUnits = (text: string | undefined): bigint => {
  const minorUnits = minorUnitsOf(text ?? '');
  if (minorUnits === undefined)
    throw new Error(`--amount has to be an amount such as 12.30, not ${text ?? 'missing'}.`);
  return minorUnits;
};

export const tellMoney = (money: Money | undefined): string => {
  const { minorUnits, currency } = money ?? { minorUnits: 0n, currency: '' };
  return `${minorUnits / 100n}.${String(minorUnits % 100n).padStart(2, '0')} ${currency}`;
};

/** The name of an enum's value as a person reads it: PAYER_CANCELLED as "payer cancelled". */
export const tellEnum = (
  schema: { readonly value: Readonly<Record<number, { readonly localName: string } | undefined>> },
  value: number,
): string => (schema.value[value]?.localName ?? `value ${value}`).toLowerCase().replaceAll('_', ' ');

/**
 * Runs a program against a cashier and gives its exit status. With OTEL_EXPORTER_OTLP_ENDPOINT set its spans are sent there, and
 * every call carries a traceparent: the payment's trace then begins at the till.
 */
export const runProgram = async (
  name: string,
  address: string | undefined,
  program: (cashier: Cashier, clock: Clock) => Promise<number>,
): Promise<void> => {
  const log = createLog(name, 'silent');
  const stopTelemetry = await startTelemetry({ service: name, version: '0.1.0', env: process.env, log });
  let cashier: Cashier | undefined;
  try {
    const target = cashierAddress(address, process.env);
    await useIdentityOf(process.env, systemClock);
    // A client waits for a service that is away; a person who mistyped an address wants to know at once.
    if (!(await isServing(target, CashierService.typeName))) throw new Error(`No cashier answers at ${target}.`);
    cashier = connect(target);
    process.exitCode = await program(cashier, systemClock);
  } catch (error) {
    for (const line of tellRefusal(error)) process.stderr.write(`${line}\n`);
    process.exitCode = EXIT.refused;
  } finally {
    cashier?.close();
    await stopTelemetry();
  }
};
