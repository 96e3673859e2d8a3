/** The attempts at a call are used up: what is told depends on what is on record of it. */
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ToolCallRun, type CallToolDeps } from '../../../activities/session/call-tool.js';
import { TranscriptCache } from '../../../activities/session/transcript-cache.js';
import type { Execution } from '../../../activities/execution.js';
import { tool } from '../../../src/contracts/define-tool.js';
import { channelOf } from '../../../src/live/bus.js';
import { openDatabase, type Database } from '../../../src/store/database.js';
import { openStores } from '../../../src/store/stores.js';
import { ToolRunner } from '../../../src/tools/tool-runner.js';
import { Harness } from '../../support/harness.js';
import { KeptLog } from '../../support/mcp.js';

const EFFECTS = ['read', 'keyed', 'once'] as const;
const FAILURE = { type: 'Tool.Timeout', message: 'The worker went away too often.' };

describe('a call that is given up', () => {
  let h: Harness;
  let database: Database;
  beforeAll(async () => {
    h = await Harness.start({
      tools: EFFECTS.map((effect) =>
        tool({ name: effect, description: 'Acts.', effect, run: 'local', execute: () => 'done' }),
      ),
    });
    h.model.reply(/./, ({ messages, lastUserText }) =>
      messages.at(-1)?.role === 'user'
        ? { toolCalls: [{ name: lastUserText, arguments: {} }] }
        : 'answered',
    );
    database = openDatabase(inject('databaseUrl'), { maxConnections: 2 });
  });
  afterAll(async () => {
    await h.stop();
    await database.close();
  });

  it.each([
    ['once', 'running', 'Tool.OutcomeUnknown', /^OUTCOME_UNKNOWN.*went away too often/],
    // It ended before its tool began: its worker shut down.
    ['once', 'waiting', 'Tool.Timeout', /too often\.$/],
    ['keyed', 'running', 'Tool.Timeout', /too often\. It may have taken effect/],
    ['keyed', 'waiting', 'Tool.Timeout', /too often\. It may have taken effect/],
    ['read', 'running', 'Tool.Timeout', /too often\.$/],
  ])(
    'F2 tool: `%s`, on record as %s, its attempts used up → %s',
    async (effect, outcome, type, message) => {
      const session = await h.runtime.start();
      await session.ask(effect);
      const key = { tenant: session.tenant, session: session.id };
      await database.pool.query(
        'update perdura.tool_runs set outcome = $3 where tenant = $1 and session = $2',
        [key.tenant, key.session, outcome],
      );
      const { rows } = await database.pool.query<{ run: string; stage: string }>(
        'select run, stage from perdura.transcripts where tenant = $1 and transcript = $2',
        [key.tenant, key.session],
      );
      const { run, stage } = rows[0]!;
      const signal = new AbortController().signal;
      const execution: Execution = {
        key,
        workflowId: session.workflowId,
        transcript: session.id,
        run,
        attempt: 1,
        hasContext: false,
        elapsedMs: () => 0,
        channel: channelOf(key),
        signal,
        writer: (place) => ({
          ...key,
          transcript: session.id,
          run,
          ...(place ? { stage: place.stage } : {}),
          head: place?.head ?? 0,
        }),
      };
      const stores = openStores(database);
      const log = new KeptLog();
      const deps = {
        ...stores,
        cache: new TranscriptCache(stores.transcripts),
        agents: { get: () => Promise.resolve(h.agent()) } as unknown as CallToolDeps['agents'],
        runner: new ToolRunner(log),
        log,
      } as Partial<CallToolDeps> as CallToolDeps;
      const place = { turn: 1, step: 1, stage: Number(stage), head: 9 };
      // The answer is the second entry of the transcript; the result takes a place of its own.
      const input = { ...place, agent: 'assistant', message: 2, index: 0, seq: 9 };
      const call = new ToolCallRun(deps, { ...input, failure: FAILURE }, execution, {
        signal,
        shutdown: signal,
      });
      await call.run();
      const written = (await session.transcript()).find(({ seq }) => seq === 9)?.message;
      expect(written).toMatchObject({
        role: 'tool',
        failure: { type, message: expect.stringMatching(message) as string },
      });
    },
  );
});
