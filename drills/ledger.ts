import type { Mesh } from '@tillmesh/local-mesh';

/** What a simulated channel took for an order number, and what of it is left there. */
export type Charged = { charges: number; netFen: number };

/** One movement of a payer's money, as its channel keeps it. */
export type Movement = {
  readonly kind: 'charge' | 'refund' | 'reversal';
  /** Our order number at the channel: 25 digits of the payment and one of the attempt. */
  readonly outTradeNo: string;
  readonly refundNo?: string;
  readonly amountFen: number;
  readonly atMs: number;
};

const PAGE = 10_000;

const readPages = async function* (mesh: Mesh, path: string): AsyncGenerator<Record<string, unknown>> {
  for (let after = ''; ; ) {
    const response = await fetch(
      `http://${mesh.address('sandbox-control')}/control/${path}?limit=${PAGE}${after === '' ? '' : `&after=${after}`}`,
    );
    const page = (await response.json()) as Record<string, unknown> & { readonly nextAfter?: string | number };
    yield page;
    if (page.nextAfter === undefined) return;
    after = String(page.nextAfter);
  }
};

/** Every order number that the simulated channels know, summed up by payment. */
export const readLedger = async (mesh: Mesh): Promise<Map<string, Charged>> => {
  const byPayment = new Map<string, Charged>();
  for await (const page of readPages(mesh, 'ledger/orders')) {
    for (const order of page['orders'] as readonly (Charged & { readonly outTradeNo: string })[]) {
      const orderNo = order.outTradeNo.slice(0, 25);
      const sum = byPayment.get(orderNo) ?? { charges: 0, netFen: 0 };
      byPayment.set(orderNo, { charges: sum.charges + order.charges, netFen: sum.netFen + order.netFen });
    }
  }
  return byPayment;
};

/** Every movement of money at the simulated channels, the oldest first. */
export const readMovements = async (mesh: Mesh): Promise<readonly Movement[]> => {
  const all: Movement[] = [];
  for await (const page of readPages(mesh, 'ledger')) {
    for (const { at, ...movement } of page['movements'] as readonly (Movement & { readonly at: string })[])
      all.push({ ...movement, atMs: Date.parse(at) });
  }
  return all;
};
