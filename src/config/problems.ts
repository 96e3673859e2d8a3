/** What is wrong in a configuration, collected, so that one run reports all of it. Pure. */
import { PerduraError, type FailureType } from '../contracts/failures.js';

/** Keys and indices from the top of a document. */
export type Path = readonly (string | number)[];

export interface Problem {
  /** `file:line:column` for YAML, the file and a path within it otherwise. */
  readonly where: string;
  /** What is wrong and how to correct it, in sentences. */
  readonly text: string;
}

/** Most problems that one error names: the first ones often cause the rest. */
const SHOWN = 8;

/** Throws one error of `type` that names all problems; returns when there are none. */
export function throwProblems(type: FailureType, problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const lines = problems.slice(0, SHOWN).map(({ where, text }) => `${where}: ${text}`);
  if (problems.length > SHOWN) lines.push(`and ${problems.length - SHOWN} more.`);
  throw new PerduraError(
    type,
    lines.length === 1 ? lines[0]! : `${problems.length} problems:\n${lines.join('\n')}\n`,
  );
}

/** `agents[0].limits.maxSteps`, as a programmer would write it. */
export function pathText(path: Path): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else if (/^[A-Za-z_$][\w$]*$/.test(key)) text += text === '' ? key : `.${key}`;
    else text += `[${JSON.stringify(key)}]`;
  }
  return text;
}
