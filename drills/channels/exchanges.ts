type AtOnce = { readonly underWay: number; readonly most: number };

/** Exchanges of an account at the simulated channels: under way, and the most that began within some time; `paying` of them ask for money. */
export type Exchanges = AtOnce & {
  readonly total: number;
  readonly mostInSecond: number;
  readonly mostInTenSeconds: number;
  readonly paying: AtOnce;
};

const NONE: Exchanges = {
  underWay: 0,
  most: 0,
  total: 0,
  mostInSecond: 0,
  mostInTenSeconds: 0,
  paying: { underWay: 0, most: 0 },
};

/** @param address host:port of the sandbox' control API. */
export const exchangesOfAccount = async (address: string, accountId: string): Promise<Exchanges> => {
  const response = await fetch(`http://${address}/control/stats`);
  const { exchanges } = (await response.json()) as { exchanges: Readonly<Record<string, Exchanges>> };
  return exchanges[accountId] ?? NONE;
};

/** From now on the most at once is counted anew. */
export const forgetMostExchanges = async (address: string): Promise<void> => {
  const response = await fetch(`http://${address}/control/stats/most`, { method: 'DELETE' });
  if (!response.ok) throw new Error(`the sandbox answers ${response.status}: ${await response.text()}`);
};
