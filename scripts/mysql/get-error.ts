/** A problem that the person at the machine can mend; the message says how. */
export class GetError extends Error {
  override readonly name = 'GetError';
}
