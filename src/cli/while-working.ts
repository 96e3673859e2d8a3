/** The option `--while-working`, read. */
import { isWhileWorking, WHILE_WORKING, type WhileWorking } from '../contracts/while-working.js';
import { UsageError } from './context.js';

/** As a part of a message; nothing where the option is missing. */
export function readWhileWorking(value: string | undefined): {
  readonly whileWorking?: WhileWorking;
} {
  if (value === undefined) return {};
  if (isWhileWorking(value)) return { whileWorking: value };
  throw new UsageError(`--while-working is "${value}". Use one of ${WHILE_WORKING.join(', ')}.`);
}
