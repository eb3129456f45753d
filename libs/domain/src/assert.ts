/** Thrown when something that must hold does not: a bug of ours, never bad input. */
export class BrokenInvariant extends Error {
  override readonly name = 'BrokenInvariant';
}

/** States a fact that must hold here. */
export const assert: (fact: boolean, broken: string) => asserts fact = (fact, broken) => {
  if (!fact) throw new BrokenInvariant(broken);
};

/** Lets the compiler find the case that a switch forgot. */
export const assertNever = (value: never): never => {
  throw new BrokenInvariant(`no case for ${JSON.stringify(value)}`);
};
