import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import { withBaseFolder } from './secret.ts';

export type ConfigProblem = {
  /** The path of the setting, such as `groups.0.endpoints`. */
  readonly setting: string;
  /** What is wrong. */
  readonly problem: string;
  /** What the setting is and what to set, from the schema's description. */
  readonly advice: string;
};

/** Every problem of a configuration at once. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(source: string, problems: readonly ConfigProblem[]) {
    const lines = problems.map(
      ({ setting, problem, advice }) => `  ${setting}: ${problem}${advice === '' ? '' : `\n      ${advice}`}`,
    );
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`;
    super(`${count} in ${source}\n${lines.join('\n')}`);
    this.problems = problems;
  }
}

/** The description of the setting at a path, or of the nearest one above it. */
const adviceAt = (schema: z.ZodType, path: readonly PropertyKey[]): string => {
  let current: z.ZodType | undefined = schema;
  let advice = schema.description ?? '';
  for (const key of path) {
    current = current === undefined ? undefined : childOf(current, key);
    if (current?.description !== undefined) advice = current.description;
  }
  return advice;
};

const childOf = (schema: z.ZodType, key: PropertyKey): z.ZodType | undefined => {
  if (schema instanceof z.ZodObject) return schema.shape[String(key)] as z.ZodType | undefined;
  if (schema instanceof z.ZodArray) return schema.element as z.ZodType;
  if (schema instanceof z.ZodRecord) return schema.valueType as z.ZodType;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return childOf(schema.unwrap() as z.ZodType, key);
  }
  if (schema instanceof z.ZodPipe) {
    return childOf(schema.in as z.ZodType, key) ?? childOf(schema.out as z.ZodType, key);
  }
  if (schema instanceof z.ZodDiscriminatedUnion || schema instanceof z.ZodUnion) {
    return schema.options.map((option) => childOf(option as z.ZodType, key)).find((child) => child !== undefined);
  }
  return undefined;
};

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>(
    (current, key) => (typeof current === 'object' && current !== null ? Reflect.get(current, key) : undefined),
    value,
  );

// Only some kinds of issue say that nothing was there; for the others (an enum, a union) the value tells.
const problemText = (issue: z.core.$ZodIssue, value: unknown): string => {
  const isMissing = valueAt(value, issue.path) === undefined;
  if (!isMissing) return issue.message;
  const expected = issue.code === 'invalid_value' ? issue.message.replace(/^Invalid (?:option|input): /, '') : '';
  return expected === '' ? 'is missing' : `is missing: ${expected}`;
};

/**
 * Checks a value against a schema.
 *
 * @param source where the value came from, for the error's text.
 * @throws {ConfigError} with every problem, not only the first.
 */
export const parseConfig = <Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  source: string,
): z.output<Schema> => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.flatMap((issue): ConfigProblem[] => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        setting: [...issue.path, key].join('.'),
        problem: 'is not a setting; a typing error?',
        advice: '',
      }));
    }
    return [
      {
        setting: issue.path.length === 0 ? '(the whole file)' : issue.path.join('.'),
        problem: problemText(issue, value),
        advice: adviceAt(schema, issue.path),
      },
    ];
  });
  throw new ConfigError(source, problems);
};

/**
 * Reads the JSON file that TILLMESH_CONFIG names. Files that hold secrets are named relative to it.
 *
 * @throws {ConfigError}
 */
export const loadConfig = <Schema extends z.ZodType>(schema: Schema, env: NodeJS.ProcessEnv): z.output<Schema> => {
  const path = env['TILLMESH_CONFIG'];
  if (path === undefined || path === '') {
    throw new ConfigError('the environment', [
      { setting: 'TILLMESH_CONFIG', problem: 'is missing', advice: "Set it to the path of the service's JSON file." },
    ]);
  }
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new ConfigError(path, [{ setting: '(the whole file)', problem, advice: 'It has to be readable JSON.' }]);
  }
  return withBaseFolder(dirname(path), () => parseConfig(schema, value, path));
};
