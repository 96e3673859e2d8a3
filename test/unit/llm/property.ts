/** A property as a test: one line, and fast-check says what fails it. */
import fc from 'fast-check';
import { it } from 'vitest';

export { fc };

export function test<T>(title: string, values: fc.Arbitrary<T>, holds: (value: T) => void): void {
  it(title, () => {
    fc.assert(fc.property(values, holds));
  });
}
