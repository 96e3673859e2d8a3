import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PerduraError } from '../../../src/contracts/failures.js';
import { createArtifactTool, type ReadArtifact } from '../../../src/tools/artifact-tool.js';
import { ToolExecutor } from '../../../src/tools/tool-executor.js';
import { placeOf } from '../../support/mcp.js';

/** Runs the tool as a model would call it. */
async function ask(content: string, args: object, mediaType = 'text/plain') {
  const bytes = Buffer.from(content);
  const read: ReadArtifact = async (artifact, offset, length) => {
    if (artifact !== 'art_1') {
      throw new PerduraError('Artifact.NotFound', `There is no artifact "${artifact}".`);
    }
    return { bytes: bytes.subarray(offset, offset + length), total: bytes.length, mediaType };
  };
  const call = { id: 'c', name: 'read_artifact', arguments: JSON.stringify(args) };
  const signal = new AbortController().signal;
  const outcome = await new ToolExecutor().run(call, createArtifactTool(read), placeOf(), {
    signal,
  });
  const part = outcome.parts[0];
  return { text: part?.type === 'text' ? part.text : '', failure: outcome.failure };
}

describe('read_artifact', () => {
  it('F19 artifact: read page by page → every character once, whatever the page', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc
          .string({ unit: 'binary', minLength: 1, maxLength: 300 })
          .map((s) => s.replace(/[\0\p{Surrogate}]/gu, ''))
          .filter(Boolean),
        fc.integer({ min: 1, max: 50 }),
        async (content, length) => {
          let offset = 0;
          let together = '';
          for (;;) {
            const { text, failure } = await ask(content, { artifact: 'art_1', offset, length });
            expect(failure).toBeUndefined();
            const [, more, body] = /^\[bytes .*?; (.*?)\]\n(.*)$/s.exec(text)!;
            together += body;
            if (more === 'the end') break;
            offset = Number(/\d+/.exec(more!)![0]);
          }
          expect(together).toBe(content);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('F19 artifact: the largest page → still below what a tool may show', async () => {
    const { text } = await ask('é'.repeat(40_000), { artifact: 'art_1', length: 16_000 });
    expect(Buffer.byteLength(text)).toBeLessThan(16 * 1024);
    expect(text).toMatch(/^\[bytes 0 to 16,000 of 80,000; next offset: 16000\]/);
  });

  it('F19 artifact: find → offsets with what is around them', async () => {
    const content = `${'é'.repeat(500)}needle${'x'.repeat(500)}needle`;
    const { text } = await ask(content, { artifact: 'art_1', find: 'needle' });
    expect(text.split('\n').map((line) => Number.parseInt(line, 10))).toEqual([1_000, 1_506]);
    expect((await ask(content, { artifact: 'art_1', find: 'no' })).text).toMatch(/does not occur/);
  });

  it('F19 artifact: more matches than are shown → says where to go on', async () => {
    const { text } = await ask('ab'.repeat(50), { artifact: 'art_1', find: 'ab' });
    expect(text.split('\n')).toHaveLength(11);
    expect(text).toMatch(/\[more from offset 20 on\]$/);
  });

  it.each([
    [{ artifact: 'art_1', offset: 999 }, /nothing at offset 999/],
    [{ artifact: 'art_1', length: 16_001 }, /\/length/],
    [{ artifact: 'art_1', offset: -1 }, /\/offset/],
  ])('F19 artifact: %j → told to the model', async (args, message) => {
    expect((await ask('short', args)).text).toMatch(message);
  });

  it('F19 artifact: of another session → Artifact.NotFound as a message', async () => {
    const { failure } = await ask('x', { artifact: 'art_2' });
    expect(failure).toEqual({
      type: 'Artifact.NotFound',
      message: 'There is no artifact "art_2".',
    });
  });

  it('F19 artifact: an image → not read as text', async () => {
    expect((await ask('x', { artifact: 'art_1' }, 'image/png')).text).toMatch(/image\/png of 1/);
  });
});
