/** `test/requirements.ts` against the tests that there are. */
import { describe, expect, it } from 'vitest';
import { FAULTS, FEATURES } from '../requirements.js';
import { testTitles } from '../support/test-titles.js';

const titles = testTitles();
const rows = Object.entries({ ...FEATURES, ...FAULTS });

describe('requirements', () => {
  it.each(rows)('requirements: %s → shown by tests that exist', (_, { open, shownBy }) => {
    const wanted = Object.entries(shownBy).flatMap(([file, beginnings]) =>
      beginnings.map((beginning) => ({ file, beginning })),
    );
    const missing = wanted.filter(
      ({ file, beginning }) =>
        !titles.some((test) => test.file === file && test.title.startsWith(beginning)),
    );
    expect(missing).toEqual([]);
    if (!open) expect(wanted).not.toEqual([]);
  });

  it('requirements: a test that names a fault in its title → the fault is in the list', () => {
    const named = titles.flatMap(
      ({ title }) => /^(?:[FS]\d+ )+/.exec(title)?.[0].match(/F\d+/g) ?? [],
    );
    expect(named.filter((id) => !(id in FAULTS))).toEqual([]);
  });

  it('requirements: titles within a file → no two alike', () => {
    const seen = titles
      .map(({ file, title }) => `${file}: ${title}`)
      .filter((key) => !key.endsWith(': %s'));
    expect(seen.filter((key, index) => seen.indexOf(key) !== index)).toEqual([]);
  });
});
