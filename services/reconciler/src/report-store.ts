import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fromJson, fromJsonString, type JsonValue, toJson, toJsonString } from '@bufbuild/protobuf';
import {
  type Discrepancy,
  DiscrepancyClass,
  DiscrepancySchema,
  type Report,
  ReportSchema,
} from '@tillmesh/proto/tillmesh/reconciliation/v1/reconciler_service_pb.ts';

/** Which report. */
export type ReportKey = { readonly channelId: string; readonly accountId: string; readonly day: string };

/**
 * Reports in a folder, one for each bill: `<channel>/<account>/<day>.json` has the sums, `<day>.<run>.ndjson` beside it the discrepancies, one JSON object a
 * line. The sums name their run and take the place of those before in one step, so that a reader never has the sums of one run with the discrepancies of another. Of one bill one process writes at a time.
 */
export type ReportStore = {
  write(report: Report, discrepancies: readonly Discrepancy[]): Promise<void>;
  read(key: ReportKey): Promise<Report | undefined>;
  /** A page of a report's discrepancies; empty where there is no report. */
  discrepancies(
    key: ReportKey,
    page: { readonly class: DiscrepancyClass; readonly skip: number; readonly limit: number },
  ): Promise<readonly Discrepancy[]>;
  /** Which reports there are, the latest day first. */
  list(): Promise<readonly ReportKey[]>;
};

const DAY_FILE = /^([0-9]{4}-[0-9]{2}-[0-9]{2})\.json$/;

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';

const orEmpty = async (names: Promise<string[]>): Promise<string[]> => {
  try {
    return await names;
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
};

const LINES_AT_ONCE = 1_000;

/** Opens the reports of a folder, which is made when the first one is written. */
export const openReportStore = (folder: string): ReportStore => {
  const placeOf = ({ channelId, accountId }: ReportKey): string => join(folder, channelId, accountId);

  const writeFile = async (path: string, parts: Iterable<string>): Promise<void> => {
    const file = await open(path, 'w', 0o600);
    try {
      for (const part of parts) await file.write(part);
      await file.sync();
    } finally {
      await file.close();
    }
  };

  const linesOf = function* (discrepancies: readonly Discrepancy[]): Generator<string> {
    for (let at = 0; at < discrepancies.length; at += LINES_AT_ONCE) {
      yield discrepancies
        .slice(at, at + LINES_AT_ONCE)
        .map((one) => `${toJsonString(DiscrepancySchema, one)}\n`)
        .join('');
    }
  };

  const readKept = async (key: ReportKey): Promise<{ readonly run: string; readonly report: Report } | undefined> => {
    try {
      const text = await readFile(join(placeOf(key), `${key.day}.json`), 'utf8');
      const kept = JSON.parse(text) as { readonly run: string; readonly report: JsonValue };
      return { run: kept.run, report: fromJson(ReportSchema, kept.report) };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  };

  return {
    write: async (report, discrepancies) => {
      const { bill } = report;
      if (bill === undefined) throw new TypeError('a report has to say of which bill it is');
      const place = placeOf(bill);
      await mkdir(place, { recursive: true, mode: 0o700 });
      const run = randomUUID();
      const own = `${bill.day}.${run}.ndjson`;
      await writeFile(join(place, own), linesOf(discrepancies));
      const path = join(place, `${bill.day}.json`);
      await writeFile(`${path}.new`, [
        `${JSON.stringify({ run, report: toJson(ReportSchema, report) }, undefined, 2)}\n`,
      ]);
      await rename(`${path}.new`, path);
      for (const name of await readdir(place)) {
        const isOld = name.startsWith(`${bill.day}.`) && name.endsWith('.ndjson') && name !== own;
        if (isOld) await rm(join(place, name), { force: true });
      }
    },
    read: async (key) => (await readKept(key))?.report,
    discrepancies: async (key, { class: wanted, skip, limit }) => {
      const kept = await readKept(key);
      if (kept === undefined) return [];
      const input = createReadStream(join(placeOf(key), `${key.day}.${kept.run}.ndjson`));
      const page: Discrepancy[] = [];
      let passed = 0;
      try {
        for await (const line of createInterface({ input })) {
          const one = fromJsonString(DiscrepancySchema, line);
          if (wanted !== DiscrepancyClass.UNSPECIFIED && one.class !== wanted) continue;
          passed += 1;
          if (passed > skip) page.push(one);
          if (page.length >= limit) break;
        }
      } finally {
        input.destroy();
      }
      return page;
    },
    list: async () => {
      const keys: ReportKey[] = [];
      for (const channelId of await orEmpty(readdir(folder))) {
        for (const accountId of await orEmpty(readdir(join(folder, channelId)))) {
          for (const name of await orEmpty(readdir(join(folder, channelId, accountId)))) {
            const day = DAY_FILE.exec(name)?.[1];
            if (day !== undefined) keys.push({ channelId, accountId, day });
          }
        }
      }
      return keys.toSorted((a, b) => {
        const [x, y] = [a, b].map(({ day, channelId, accountId }) => ({ day, at: `${channelId}/${accountId}` }));
        if (x === undefined || y === undefined || x.day === y.day) return (x?.at ?? '') < (y?.at ?? '') ? -1 : 1;
        return x.day < y.day ? 1 : -1;
      });
    },
  };
};
