/** Fields of options, checked by name: JavaScript has no types, and a wrong name would do nothing. */
import { PerduraError } from '../contracts/failures.js';
import { didYouMean } from '../contracts/near-names.js';

/** Throws `Request.Invalid` where `given` has a field that is not `known`. `what` is the call. */
export function onlyKnownFields(what: string, given: object, known: readonly string[]): void {
  const wrong = Object.keys(given).find((key) => !known.includes(key));
  if (wrong === undefined) return;
  const near = didYouMean(wrong, known) || ` Known fields: ${known.join(', ')}.`;
  throw new PerduraError(
    'Request.Invalid',
    `${what}: unknown field "${wrong.slice(0, 80)}".${near}`,
    { saysRemedy: true },
  );
}
