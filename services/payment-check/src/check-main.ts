import { parseArgs } from 'node:util';
import { systemClock } from '@tillmesh/clock';
import { CashierService } from '@tillmesh/proto/tillmesh/cashier/v1/cashier_service_pb.ts';
import { createClient, useIdentityOf } from '@tillmesh/rpc';
import { checkPayment } from './check-payment.ts';
import type { JaegerTrace } from './trace-faults.ts';

// Whether a mesh takes payments: `helm test`, and the same against `npm start` (npm run payment-check).

const HELP = `check-main.ts [options]: makes a payment at the sandbox, repeats it, refunds it and finds its one trace

  --cashier <target>    default 127.0.0.1:7000, that of npm start
  --sandbox <host:port> its control API; default 127.0.0.1:7009
  --jaeger <url>        such as http://127.0.0.1:16686; without it the trace is not looked for
  --merchant <id>       default demo-cafe

TILLMESH_TLS_FOLDER: where the mesh speaks TLS, a folder with tls.crt, tls.key and ca.crt; TILLMESH_TLS_SERVER_NAME: the name in its
certificates, unless it is that of the host.`;

const CALL_MS_MAX = 10_000;

const { values } = parseArgs({
  options: {
    cashier: { type: 'string', default: '127.0.0.1:7000' },
    sandbox: { type: 'string', default: '127.0.0.1:7009' },
    jaeger: { type: 'string' },
    merchant: { type: 'string', default: 'demo-cafe' },
    help: { type: 'boolean', default: false },
  },
});

const say = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

const json = async (url: string, body?: object): Promise<unknown> => {
  const response = await fetch(url, {
    signal: AbortSignal.timeout(CALL_MS_MAX),
    ...(body === undefined
      ? {}
      : { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  if (response.status === 404) return undefined;
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return response.json();
};

const paymentCode = async (): Promise<string> => {
  const answer = await json(`http://${values.sandbox}/control/payment-codes`, { wallet: 'wechat' });
  return (answer as { readonly paymentCode: string }).paymentCode;
};

const { jaeger } = values;
const tracesOf =
  jaeger === undefined
    ? undefined
    : async (traceId: string): Promise<readonly JaegerTrace[]> => {
        const answer = await json(`${jaeger}/api/traces/${traceId}`);
        return (answer as { readonly data: readonly JaegerTrace[] } | undefined)?.data ?? [];
      };

if (values.help) say(HELP);
else {
  await useIdentityOf(process.env, systemClock);
  const cashier = createClient(CashierService, { target: values.cashier, caller: 'payment-check', capMs: 40_000 });
  try {
    await checkPayment({ cashier, paymentCode, tracesOf, merchantId: values.merchant, clock: systemClock, say });
    say('the mesh takes payments');
  } catch (error) {
    process.stderr.write(`the check failed: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  } finally {
    cashier.close();
  }
}
