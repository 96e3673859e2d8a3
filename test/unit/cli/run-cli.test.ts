import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { Interrupts } from '../../../src/cli/context.js';
import { TurnFollower } from '../../../src/cli/follow.js';
import { runCli } from '../../../src/cli/run-cli.js';
import { readSettings } from '../../../src/config/environment.js';
import type { SessionEventBody, SessionItem } from '../../../src/contracts/events.js';
import { NO_USAGE } from '../../../src/contracts/message.js';

async function cli(argv: string[], env: Record<string, string> = {}) {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  stdin.end();
  const code = await runCli(argv, {
    streams: { stdin, stdout, stderr },
    interrupts: new Interrupts(),
    readSettings: () => readSettings(env, '/nowhere-at-all'),
  });
  const text = (stream: PassThrough) => String((stream.read() as Buffer | null) ?? '');
  return { code, out: text(stdout), err: text(stderr) };
}

describe('command line: exit codes and where things are written', () => {
  it.each([
    ['help', ['--help'], 0, /Usage: perdura/, /^$/],
    ['version', ['--version'], 0, /^\d+\.\d+\.\d+/, /^$/],
    ['unknown command', ['shwo'], 2, /^$/, /unknown command 'shwo'/],
    ['missing argument', ['show'], 2, /^$/, /missing required argument 'session'/],
    [
      'a wrong session name',
      ['show', 'a/b'],
      2,
      /^$/,
      /"a\/b" is not a valid session name. Use 1 to 80 of A-Z/,
    ],
    [
      'a wrong option',
      ['sessions', '--limit', 'x'],
      2,
      /^$/,
      /--limit is "x"\. Use a whole number/,
    ],
    ['a wrong state', ['sessions', '--state', 'busy'], 2, /^$/, /Use one of idle, running/],
    [
      'two sessions for one chat',
      ['chat', 'a', '-s', 'b'],
      2,
      /^$/,
      /Two sessions are given, a and b/,
    ],
    ['an empty message', ['send', 's', ' '], 2, /^$/, /The message is empty/],
    ['nothing on standard input', ['run', '-'], 2, /^$/, /The message is empty/],
    ['nothing runs', ['sessions'], 1, /^$/, /^Stack\.Unavailable: No `perdura dev` runs/],
    ['no database', ['migrate'], 1, /^$/, /^Config\.Invalid: DATABASE_URL is not set/],
  ])('%s', async (_, argv, code, out, err) => {
    const result = await cli(argv);
    expect(result.code).toBe(code);
    expect(result.out).toMatch(out);
    expect(result.err).toMatch(err);
    expect(result.err).not.toMatch(/\n {4}at /);
  });

  it('--json → the failure as one line of JSON on standard error, nothing on standard output', async () => {
    const { out, err } = await cli(['sessions', '--json']);
    expect(out).toBe('');
    expect(JSON.parse(err)).toMatchObject({
      error: {
        type: 'Stack.Unavailable',
        // It says itself what to do.
        message: expect.stringContaining('Start `perdura dev`') as string,
      },
    });
  });

  it.each([
    ['an unknown command', ['frobnicate', '--json'], /unknown command 'frobnicate'/],
    ['an unknown option', ['run', '--foo', '--json'], /unknown option '--foo'/],
    ['no name of a session', ['show', 'we ird', '--json'], /"we ird" is not a valid session name/],
  ])('--json and %s → one line of JSON, exit code 2', async (_, argv, message) => {
    const { code, out, err } = await cli(argv);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(JSON.parse(err)).toMatchObject({
      error: { type: 'Usage', message: expect.stringMatching(message) as string },
    });
  });

  it('settings that make no sense → the variable is named', async () => {
    const { code, err } = await cli(['sessions'], { PERDURA_TENANT: 'A B' });
    expect(code).toBe(1);
    expect(err).toMatch(/^Config\.Invalid: PERDURA_TENANT is "A B"/);
  });

  it('PERDURA_LOG_LEVEL=debug → the stack too', async () => {
    const { err } = await cli(['sessions'], { PERDURA_LOG_LEVEL: 'debug' });
    expect(err).toMatch(/\n {4}at /);
  });
});

describe('following a turn', () => {
  /** How it ended, and with the how manieth item. */
  const follow = (messageId: string | undefined, bodies: SessionEventBody[]) => {
    const follower = new TurnFollower(messageId);
    for (const [i, body] of bodies.entries()) {
      const end = follower.take({ ...body, n: i + 1, at: '' } satisfies SessionItem);
      if (end) return { end, after: i + 1 };
    }
    return undefined;
  };
  const accepted = (id: string, turn: number): SessionEventBody => ({
    type: 'message.accepted',
    id,
    seq: 1,
    turn,
    text: id,
  });
  const completed = (turn: number): SessionEventBody => ({
    type: 'turn.completed',
    turn,
    seq: 2,
    text: `answer ${turn}`,
    finish: 'stop',
    usage: NO_USAGE,
  });

  it('turns of other messages pass → the end of the turn that took ours', () => {
    const bodies = [
      accepted('other', 1),
      completed(1),
      accepted('mine', 2),
      completed(2),
      accepted('late', 3),
    ];
    expect(follow('mine', bodies)).toMatchObject({
      end: { outcome: 'completed', answer: { turn: 2, text: 'answer 2' } },
      after: 4,
    });
    expect(follow(undefined, bodies)).toMatchObject({ after: 2 });
    expect(follow('never sent', bodies)).toBeUndefined();
  });

  it('the turn fails → its failure; the session ends → that', () => {
    const failure = { type: 'Model.Refused', message: 'no' };
    const failed: SessionEventBody = { type: 'turn.failed', turn: 1, failure, usage: NO_USAGE };
    expect(follow('mine', [accepted('mine', 1), failed])?.end).toEqual({
      outcome: 'failed',
      turn: 1,
      failure,
    });
    expect(follow('mine', [{ type: 'session.ended', reason: 'done' }])?.end).toEqual({
      outcome: 'ended',
      reason: 'done',
    });
  });
});
