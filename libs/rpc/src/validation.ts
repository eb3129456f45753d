import { create, type DescMessage, type Message, type MessageShape } from '@bufbuild/protobuf';
import { createValidator } from '@bufbuild/protovalidate';
import { rpcErrors } from './rpc-error.ts';

const validator = createValidator();

const violationsMax = 20;

/**
 * Reads the rules of a message. It takes up to 120 ms for the first message of a process, and is done on the first check where
 * it was not done before: the first payment after each start would wait for it, and so would everybody with it.
 */
export const prepareValidation = (schema: DescMessage): void => {
  const result = validator.validate(schema, create(schema));
  if (result.kind === 'error')
    throw new TypeError(`the rules of ${schema.typeName} cannot be read`, { cause: result.error });
};

/**
 * Checks a request against the rules that stand in its proto.
 *
 * @throws {RpcError} REQUEST_INVALID with a violation for each wrong field.
 */
export const validateRequest = <Schema extends DescMessage>(schema: Schema, request: Message): void => {
  const result = validator.validate(schema, request as MessageShape<Schema>);
  if (result.kind === 'valid') return;
  if (result.kind === 'error')
    throw rpcErrors.internal(`the rules of ${schema.typeName} cannot be applied`, { cause: result.error });
  const violations = result.violations.slice(0, violationsMax).map((violation) => ({
    // A path of names, such as amount.currency, as callers wrote them.
    field: violation.field.map((part) => ('name' in part ? part.name : '')).join('.'),
    description: violation.message,
    reason: violation.ruleId,
  }));
  const summary = violations.map(({ field, description }) => `${field} ${description}`).join('; ');
  throw rpcErrors.requestInvalid(`the request breaks the rules of its proto: ${summary}`, { violations });
};
