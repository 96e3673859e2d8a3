/**
 * How much later a reader in another process has the first word than a client that reads from
 * the provider directly. The model writes the time into its first token (see
 * `model-server.ts`); the reader compares it with its own clock, which is the same one.
 */
import OpenAI from 'openai';
import type { Environment } from './environment.js';
import { median, nowMs } from './statistics.js';

export interface FirstToken {
  readonly oursMs: number;
  readonly directMs: number;
  readonly overheadMs: number;
}

/** The bus is PostgreSQL's: the reader is this process, the worker another. */
export async function measureFirstToken(
  { runtime, modelUrl }: Environment,
  rounds: number,
): Promise<FirstToken> {
  const session = await runtime.start({ agent: 'assistant' });
  const client = new OpenAI({ baseURL: modelUrl, apiKey: 'bench', maxRetries: 0 });
  const ours: number[] = [];
  const direct: number[] = [];
  const stop = new AbortController();
  let heard: (() => void) | undefined;
  const reading = (async () => {
    for await (const item of session.events({ signal: stop.signal })) {
      if (item.type === 'delta' && item.offset === 0) ours.push(since(item.text));
      if (item.type === 'turn.completed') heard?.();
    }
  })();
  for (let round = 0; round < rounds; round++) {
    const answered = new Promise<void>((resolve) => (heard = resolve));
    await session.send(`@stamp ${round}`);
    await answered;
    direct.push(await readDirectly(client, round));
  }
  stop.abort();
  await reading;
  await session.end();
  // The first of each opens its connections.
  const [oursMs, directMs] = [median(ours.slice(1)), median(direct.slice(1))];
  return { oursMs, directMs, overheadMs: oursMs - directMs };
}

async function readDirectly(client: OpenAI, round: number): Promise<number> {
  const stream = await client.chat.completions.create({
    model: 'bench',
    messages: [{ role: 'user', content: `@stamp ${round}` }],
    stream: true,
  });
  let first: number | undefined;
  for await (const { choices } of stream) first ??= since(choices[0]?.delta.content ?? '');
  return first!;
}

/** ms since the time in the token. */
function since(token: string): number {
  return nowMs() - Number.parseInt(token, 10) / 1e6;
}
