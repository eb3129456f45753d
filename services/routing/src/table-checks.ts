/** What is wrong, and where. */
export type Complaint = { readonly path: readonly (string | number)[]; readonly message: string };

type CheckedRule = {
  readonly amountMin?: number | undefined;
  readonly amountMax?: number | undefined;
  readonly prefer: readonly string[];
  readonly exclude: readonly string[];
};
type CheckedMerchant = {
  readonly merchantId: string;
  readonly accountIds: readonly string[];
  readonly rules: readonly CheckedRule[];
  readonly webhooks: readonly { readonly endpointId: string }[];
};
type CheckedAccount = {
  readonly accountId: string;
  readonly currencies: readonly string[];
  readonly amountMax: number;
  readonly dayLimit?: { readonly amountMax?: number | undefined; readonly countMax?: number | undefined } | undefined;
  readonly grey?: { readonly percent: number; readonly merchants: readonly string[] } | undefined;
};
type CheckedPolicy = {
  readonly returnSteps: readonly { readonly sharePercent: number }[];
  readonly goodPercent: number;
  readonly badPercent: number;
};

/** The relations among a table's fields. */
export type CheckedTable = {
  readonly merchants: readonly CheckedMerchant[];
  readonly accounts: readonly CheckedAccount[];
  readonly health: CheckedPolicy;
};

const listedTwice = ({ merchants, accounts }: CheckedTable): Complaint[] => {
  const accountIds = new Set(accounts.map(({ accountId }) => accountId));
  const merchantIds = new Set(merchants.map(({ merchantId }) => merchantId));
  return [
    ...(accountIds.size === accounts.length ? [] : [{ path: ['accounts'], message: 'an account is listed twice' }]),
    ...(merchantIds.size === merchants.length ? [] : [{ path: ['merchants'], message: 'a merchant is listed twice' }]),
  ];
};

const wrongInRule = (
  { amountMin, amountMax, prefer, exclude }: CheckedRule,
  accountIds: readonly string[],
): Complaint[] => [
  ...[prefer, exclude].flatMap((ids, place) =>
    ids
      .filter((id) => !accountIds.includes(id))
      .map((id) => ({ path: [place === 0 ? 'prefer' : 'exclude'], message: `the merchant has no account ${id}` })),
  ),
  ...prefer
    .filter((id) => exclude.includes(id))
    .map((id) => ({ path: ['prefer'], message: `${id} is excluded by the same rule` })),
  ...(amountMin !== undefined && amountMax !== undefined && amountMin > amountMax
    ? [{ path: ['amountMin'], message: `is above amountMax, ${amountMax}: no payment fits` }]
    : []),
  ...(prefer.length + exclude.length === 0
    ? [{ path: [], message: 'neither prefers nor excludes an account: it changes nothing' }]
    : []),
];

const wrongInMerchants = ({ merchants, accounts }: CheckedTable): Complaint[] => {
  const known = new Set(accounts.map(({ accountId }) => accountId));
  return merchants.flatMap(({ accountIds, rules, webhooks }, place) => [
    ...accountIds
      .filter((id) => !known.has(id))
      .map((id) => ({ path: ['merchants', place, 'accountIds'], message: `there is no account ${id}` })),
    ...rules.flatMap((rule, at) =>
      wrongInRule(rule, accountIds).map(({ path, message }) => ({
        path: ['merchants', place, 'rules', at, ...path],
        message,
      })),
    ),
    ...(new Set(webhooks.map(({ endpointId }) => endpointId)).size === webhooks.length
      ? []
      : [{ path: ['merchants', place, 'webhooks'], message: 'an endpoint is listed twice' }]),
  ]);
};

const wrongInDayLimit = ({ currencies, amountMax, dayLimit }: CheckedAccount): Complaint[] => {
  if (dayLimit === undefined) return [];
  if (dayLimit.amountMax === undefined) {
    return dayLimit.countMax === undefined
      ? [{ path: ['dayLimit'], message: 'limits nothing: set amountMax, countMax or both' }]
      : [];
  }
  return [
    ...(currencies.length > 1
      ? [
          {
            path: ['dayLimit', 'amountMax'],
            message: 'minor units of several currencies cannot be added: make one account for each',
          },
        ]
      : []),
    ...(dayLimit.amountMax < amountMax
      ? [
          {
            path: ['dayLimit', 'amountMax'],
            message: `is below the account's amountMax, ${amountMax}: such a payment could never be taken`,
          },
        ]
      : []),
  ];
};

const wrongInGrey = ({ accountId, grey }: CheckedAccount, merchants: readonly CheckedMerchant[]): Complaint[] =>
  (grey?.merchants ?? []).flatMap((id, at) => {
    const merchant = merchants.find(({ merchantId }) => merchantId === id);
    if (merchant?.accountIds.includes(accountId) === true) return [];
    const message = merchant === undefined ? `there is no merchant ${id}` : `${id} does not have ${accountId}`;
    return [{ path: ['grey', 'merchants', at], message }];
  });

const wrongInPolicy = ({ returnSteps, goodPercent, badPercent }: CheckedPolicy): Complaint[] => [
  ...returnSteps.flatMap(({ sharePercent }, place) => {
    const before = returnSteps[place - 1]?.sharePercent ?? 0;
    return sharePercent > before
      ? []
      : [
          {
            path: ['health', 'returnSteps', place, 'sharePercent'],
            message: `is not above the step before, ${before}`,
          },
        ];
  }),
  ...(badPercent < goodPercent
    ? []
    : [{ path: ['health'], message: `badPercent, ${badPercent}, is not below goodPercent, ${goodPercent}` }]),
];

/** Every mistake in the relations among a table's fields; each field by itself is right. */
export const complaintsOf = (table: CheckedTable): readonly Complaint[] => [
  ...listedTwice(table),
  ...wrongInMerchants(table),
  ...table.accounts.flatMap((account, place) =>
    [...wrongInDayLimit(account), ...wrongInGrey(account, table.merchants)].map(({ path, message }) => ({
      path: ['accounts', place, ...path],
      message,
    })),
  ),
  ...wrongInPolicy(table.health),
];
