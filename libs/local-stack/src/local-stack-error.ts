/** Why the local stack could not do what was asked; `message` says what to do about it. */
export type LocalStackProblem =
  | 'options_wrong'
  | 'servers_missing'
  | 'folder_in_use'
  | 'port_taken'
  | 'child_not_ready'
  | 'replication_broken'
  /** A node does not answer, though what was asked depends on it: it is down, frozen, or its disk is full. */
  | 'node_silent'
  /** A node has transactions that its group does not have: it takes part again only when it is made anew. */
  | 'node_diverged'
  /** This machine or this user cannot do it: mounting needs root. */
  | 'not_possible_here';

/** A failure that the person at the machine can mend. Everything else that is thrown is a bug. */
export class LocalStackError extends Error {
  override readonly name = 'LocalStackError';
  readonly problem: LocalStackProblem;

  constructor(problem: LocalStackProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }
}
