/** How an answer differs from what its channel has documented so far. It is signed as it is. */
export type Alteration = {
  /** A state that nobody knows yet, in the place of the one that it has. */
  readonly novelState: string | undefined;
  /** Fields that nobody knows yet, beside those that it has. */
  readonly extraFields: boolean;
};

type Fields = Readonly<Record<string, unknown>>;

const TEXT: Fields = { novel_field: 'of tomorrow', novel_count: '7' };
const EXTRA = { text: TEXT, object: { ...TEXT, novel_object: { novel_list: [1, { novel: true }, null] } } };

/**
 * Alters the fields of an answer.
 *
 * @param stateFields names of fields that hold a state; the first that the answer has is the one.
 * @param extra what kind of fields the channel's format can hold.
 */
export const alterFields = <Answer extends Fields>(
  fields: Answer,
  { novelState, extraFields }: Alteration,
  stateFields: readonly string[],
  extra: keyof typeof EXTRA,
): Answer => {
  const name = stateFields.find((candidate) => fields[candidate] !== undefined);
  return {
    ...fields,
    ...(novelState === undefined || name === undefined ? {} : { [name]: novelState }),
    ...(extraFields ? EXTRA[extra] : {}),
  };
};
