/** Why the local stack could not do what was asked; `message` says what to do about it. */
export type LocalStackProblem =
  | 'options_wrong'
  | 'servers_missing'
  | 'folder_in_use'
  | 'port_taken'
  | 'child_not_ready'
  | 'replication_broken';

/** A failure that the person at the machine can mend. Everything else that is thrown is a bug. */
export class LocalStackError extends Error {
  override readonly name = 'LocalStackError';
  readonly problem: LocalStackProblem;

  constructor(problem: LocalStackProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }
}
