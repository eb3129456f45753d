/** What the demonstration tells the simulated channels and asks them; services/sandbox/README.md. */
export type SandboxControl = {
  /** A fresh payment code (at Stripe: a card) of a payer with money, whose payment goes as the acts say. */
  paymentCode(wallet: 'wechat' | 'alipay' | 'stripe' | 'unionpay', script?: readonly object[]): Promise<string>;
  /** A payer scans a QR code and pays after so many seconds, or does what the acts say. */
  scan(code: string, afterSeconds: number, script?: readonly object[]): Promise<void>;
  /** What happens to the next order of an account with this description. */
  script(match: { readonly account: string; readonly description: string }, script: readonly object[]): Promise<void>;
  /** What the channels' own books say of a payment, by the 25 digits of its order number. */
  check(orderNo: string): Promise<LedgerCheck>;
};

export type LedgerCheck = {
  readonly paymentsKept: number;
  readonly charges: number;
  readonly netFen: number;
  readonly chargedTwice: number;
};

const CALL_MS_MAX = 5_000;

/** @param address host:port of the control API. */
export const createSandboxControl = (address: string): SandboxControl => {
  const call = async (method: 'GET' | 'POST', path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`http://${address}/control/${path}`, {
      method,
      signal: AbortSignal.timeout(CALL_MS_MAX),
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`the sandbox answers ${response.status} to ${path}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  };
  return {
    paymentCode: async (wallet, script) => {
      const answer = await call('POST', 'payment-codes', { wallet, ...(script === undefined ? {} : { script }) });
      return (answer as { paymentCode: string }).paymentCode;
    },
    scan: async (code, afterSeconds, script) => {
      await call('POST', 'scan', { code, afterSeconds, ...(script === undefined ? {} : { script }) });
    },
    script: async (match, script) => {
      await call('POST', 'scripts', { match, script, operations: ['pay'], uses: 1 });
    },
    check: async (orderNo) => (await call('GET', `ledger/check?prefix=${orderNo}`)) as LedgerCheck,
  };
};
