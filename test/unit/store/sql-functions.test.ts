/**
 * A process that is started again in a rolling deploy tells an older function from a newer one by its
 * revision: a text that changes under the same number would be refused, or taken for current.
 */
import { expect, it } from 'vitest';
import { sqlFunctions } from '../../../src/store/sql-functions.js';

/** SHA-256 of each text. A change of a file: raise its revision, and put both here. */
const CURRENT: Record<string, { revision: number; checksum: string }> = {
  append: {
    revision: 7,
    checksum: '0d752927585f244c3965976a731d1dbd82ed8d9b9ae43f8af940c62f25827838',
  },
  open_session: {
    revision: 3,
    checksum: '76aedec06dd9777edbc69a259ef16345d6187989f1d29a7a8c98131c0b8dcb16',
  },
  remember: {
    revision: 1,
    checksum: 'a5c2417a5b315b21704184e1d486774baf6998015e2d38b5df2cf15b031cbc10',
  },
  erase_session: {
    revision: 3,
    checksum: 'fe1a1f85cd3ae5d0cbde52ea7f4cdbce93957d8e62e4cfebf1358563bd0bbcfa',
  },
  pool_fill: {
    revision: 1,
    checksum: '251dfe94b1a5f8c2e78cb4a4d6d51465b0f186ae9977c7b9142b17dfe07beb4a',
  },
  pool_leave: {
    revision: 1,
    checksum: '78c4ae37f3215e299bdfaf11aff943638b67483ddcf6270d2e2f24fc51163ef2',
  },
  pool_set: {
    revision: 1,
    checksum: 'e4fe8387b7ae3d8d43aebb68cb1923f17a967c87986f3bb97770c95c31fa7d3e',
  },
  pool_sweep: {
    revision: 1,
    checksum: 'bd8f6e4ce7098e7d756f6cc5a043873c259e0aea66bfd7696ec5e90d1947ff67',
  },
  pool_take: {
    revision: 1,
    checksum: 'cd49d35ec38fc195d348356e5df13b7e928b143030900deb324a11a39f6f0934',
  },
  fork: {
    revision: 1,
    checksum: '6548614a4a2f948d605c2ac8a5407c5b01a679c91ae4a59543289bf933a9e6db',
  },
};

it('SQL functions: a text changed → its revision is raised with it', () => {
  const installed = sqlFunctions().map(({ name, revision, checksum }) => [
    name,
    { revision, checksum },
  ]);
  expect(Object.fromEntries(installed)).toEqual(CURRENT);
});

it('SQL functions: each file → defines the function that it is named after', () => {
  for (const { name, text } of sqlFunctions()) {
    expect(text).toContain(`create or replace function perdura.${name}(p jsonb)`);
  }
});
