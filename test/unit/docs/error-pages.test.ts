/** `docs/errors` and the table of failures say the same. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FAILURES, type FailureType } from '../../../src/contracts/failures.js';

const FOLDER = new URL('../../../docs/errors/', import.meta.url);
const types = Object.keys(FAILURES) as FailureType[];
const pages = readdirSync(FOLDER).filter((file) => file !== 'README.md');

describe('error pages', () => {
  it('errors: types and pages → one page for each type, one type for each page', () => {
    expect([...pages].sort()).toEqual(types.map((type) => `${type}.md`).sort());
  });

  it.each(types)(
    'errors: the page of %s → says what, whether it is retried, why, and the remedy',
    (type) => {
      const page = readFileSync(new URL(`${type}.md`, FOLDER), 'utf8');
      const headings = page.replace(/^```.*?^```$/gms, '').match(/^#{1,2} .+$/gm);
      expect(headings).toEqual([`# ${type}`, '## Why', '## What to do']);
      expect(page).toMatch(
        FAILURES[type].retry ? /^\*\*Retried:\*\* yes/m : /^\*\*Retried:\*\* no/m,
      );
      for (const [, target] of page.matchAll(/\]\(([^)]+\.md)\)/g)) expect(pages).toContain(target);
    },
  );
});
