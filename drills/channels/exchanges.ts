type AtOnce = { readonly underWay: number; readonly most: number };

/** Exchanges of an account that are under way at the simulated channels; `paying` of them ask for money. */
export type Exchanges = AtOnce & { readonly paying: AtOnce };

const NONE: Exchanges = { underWay: 0, most: 0, paying: { underWay: 0, most: 0 } };

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
