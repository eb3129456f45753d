import { BrokenBill } from './bill.ts';

/** Adds up the lines of a bill, and holds the sums against those that the file tells. */
export class BillTotals<Name extends string> {
  readonly #all = new Map<Name, bigint>();
  readonly #once = new Map<Name, bigint>();

  /** @param repeated a line that has stood in the file before. */
  add(name: Name, units: bigint, repeated: boolean): void {
    this.#all.set(name, (this.#all.get(name) ?? 0n) + units);
    if (!repeated) this.#once.set(name, (this.#once.get(name) ?? 0n) + units);
  }

  /**
   * Compares with what the file tells.
   *
   * @throws {BrokenBill} `line_twice` where the totals are those of the file with every line counted once, `totals_differ` otherwise.
   */
  check(told: ReadonlyMap<Name, bigint>, line?: number): void {
    const agrees = (sums: ReadonlyMap<Name, bigint>): boolean =>
      [...told].every(([name, units]) => (sums.get(name) ?? 0n) === units);
    if (agrees(this.#all)) return;
    if (agrees(this.#once))
      throw new BrokenBill('line_twice', 'a line stands twice, and the totals count it once', line);
    const names = [...told].filter(([name, units]) => (this.#all.get(name) ?? 0n) !== units).map(([name]) => name);
    throw new BrokenBill('totals_differ', `the totals are not those of the lines: ${names.join(', ')}`, line);
  }
}
