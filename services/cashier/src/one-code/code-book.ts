import type { Clock, Random } from '@tillmesh/clock';
import type { RedisConnection } from '@tillmesh/delay-queue';
import type { Wallet } from '@tillmesh/domain';
import { rpcErrors } from '@tillmesh/rpc';
import { annotate, errorTypeOf } from '@tillmesh/telemetry';

/** What a one-code QR stands for. */
export type OneCode = {
  readonly codeId: string;
  readonly merchantId: string;
  readonly merchantOrderNo: string;
  readonly currency: string;
  /** Decimal digits. */
  readonly minorUnits: string;
  readonly subject: string;
  readonly terminalId: string;
  readonly storeId: string;
  readonly expireAtMs: number;
};

/** What waits for a wallet to come back. */
export type Begun = {
  readonly codeId: string;
  readonly wallet: Wallet;
  readonly accountId: string;
  readonly channelId: string;
};

/** The codes that are shown, and the wallets that are asked who pays. Everything is short-lived. */
export type CodeBook = {
  add(code: Omit<OneCode, 'codeId'>): Promise<OneCode>;
  /** @throws {RpcError} ONE_CODE_UNKNOWN */
  read(codeId: string): Promise<OneCode>;
  /** @returns the one-time state that the wallet brings back, within 5 minutes. */
  begin(begun: Begun): Promise<string>;
  /** Uses a state up. @throws {RpcError} ONE_CODE_STATE_USED */
  finish(codeId: string, state: string): Promise<Begun>;
};

/** Without 0, O, I and l, which people confuse. */
const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
/** 70 bits: nobody finds a code that is shown for minutes by trying. */
const ID_CHARACTERS = 12;
const STATE_BYTES = 16;
const STATE_MS = 300_000;

const codeKey = (codeId: string): string => `onecode:${codeId}`;
const stateKey = (state: string): string => `onecode-state:${state}`;

/** Keeps codes in Redis: one that is lost with it is asked for again, and no order was made for it. */
export const createCodeBook = (redis: RedisConnection, clock: Clock, random: Random): CodeBook => {
  /** @throws {RpcError} DEPENDENCY_UNAVAILABLE */
  const asked = async <Answer>(name: string, command: Parameters<typeof redis.run<Answer>>[1]): Promise<Answer> => {
    try {
      return await redis.run(name, command);
    } catch (error) {
      annotate({ 'error.type': errorTypeOf(error) });
      throw rpcErrors.dependencyUnavailable('Redis, where codes wait, does not answer; nothing was done, ask again', {
        retryAfterMs: 1_000,
      });
    }
  };

  return {
    add: async (code) => {
      const codeId = Array.from({ length: ID_CHARACTERS }, () => ALPHABET[random.below(ALPHABET.length)]).join('');
      const whole: OneCode = { ...code, codeId };
      const ms = Math.max(1, code.expireAtMs - clock.nowMs());
      await asked('SET', (commands) => commands.set(codeKey(codeId), JSON.stringify(whole), 'PX', ms));
      return whole;
    },
    read: async (codeId) => {
      const text = await asked('GET', (commands) => commands.get(codeKey(codeId)));
      if (text === null) {
        throw rpcErrors.oneCodeUnknown('nobody has made this code, or its time is over; ask the till for a new one');
      }
      return JSON.parse(text) as OneCode;
    },
    begin: async (begun) => {
      const state = random.hex(STATE_BYTES);
      await asked('SET', (commands) => commands.set(stateKey(state), JSON.stringify(begun), 'PX', STATE_MS));
      return state;
    },
    finish: async (codeId, state) => {
      const text = await asked('GETDEL', (commands) => commands.getdel(stateKey(state)));
      const begun = text === null ? undefined : (JSON.parse(text) as Begun);
      if (begun?.codeId !== codeId) {
        throw rpcErrors.oneCodeStateUsed('this way back was used before or is too old; open the code again');
      }
      return begun;
    },
  };
};
