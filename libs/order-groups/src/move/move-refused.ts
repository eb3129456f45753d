/** The orders of a group cannot go to another one as things are. Nothing was switched; the message says what to do. */
export class MoveRefused extends Error {
  override readonly name = 'MoveRefused';
}
