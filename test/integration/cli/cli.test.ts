/** The compiled command line, as a person or a script uses it, against a real stack. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it, onTestFinished } from 'vitest';
import { tool } from '../../../src/contracts/define-tool.js';
import { takeDevLock } from '../../../src/stack/dev-lock.js';
import type { SessionRecord } from '../../../src/store/session-catalogue.js';
import { Cli, type Ended } from '../../support/cli.js';
import { Harness } from '../../support/harness.js';
import { eventually, Reader } from '../../support/observe.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

let h: Harness;
const folder = temporaryFolder();
beforeAll(async () => {
  const pick = tool({ name: 'pick', description: 'Picks a colour.', run: 'client' });
  h = await Harness.start({ tools: [pick] });
});
afterAll(() => h.stop());

function start(argv: readonly string[], env: Record<string, string> = {}): Cli {
  const cli = new Cli(argv, {
    cwd: folder,
    env: {
      TEMPORAL_ADDRESS: inject('temporalAddress'),
      DATABASE_URL: inject('databaseUrl'),
      PERDURA_TENANT: h.tenant,
      PERDURA_TASK_QUEUE: h.taskQueue,
      ...env,
    },
  });
  onTestFinished(() => cli.kill());
  return cli;
}

const perdura = (...argv: string[]): Promise<Ended> => start(argv).close().ended;

let sessions = 0;
const newName = () => `cli-${++sessions}`;

/** A call of the model that has begun to speak and does not go on. */
async function inTheMiddle(name: string): Promise<void> {
  await eventually(() => h.runtime.session(name).record());
  await new Reader().until(h.runtime.session(name), 'delta');
}

const endless = { text: 'one two three four five six', chunkSize: 8, hang: 4 };

describe('perdura run', () => {
  it('into a pipe → the answer alone on standard output, exit code 0', async () => {
    h.model.enqueue('It is 391.');
    expect(await perdura('run', 'What is 17 * 23?', '-s', newName())).toEqual({
      code: 0,
      out: 'It is 391.\n',
      err: '',
    });
  });

  it('message on standard input, --json → events, and the result last', async () => {
    h.model.enqueue('pong');
    const { code, out } = await start(['run', '--json']).type('ping').close().ended;
    expect(code).toBe(0);
    const lines = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string });
    expect(lines.map(({ type }) => type)).toContain('message.accepted');
    expect(lines.at(-1)).toMatchObject({
      type: 'result',
      outcome: 'completed',
      answer: { text: 'pong' },
    });
  });

  it('Ctrl-C, into a pipe → what was said until then with a newline, and how to come back', async () => {
    const name = newName();
    h.model.enqueue(endless, 'and seven');
    const run = start(['run', 'count', '-s', name]);
    await inTheMiddle(name);
    const { code, out, err } = await run.interrupt().ended;
    expect(code).toBe(130);
    expect(out).toMatch(/^one two.*\n$/);
    expect(err).toContain('(interrupted: Ctrl-C)\n');
    expect(err).toContain(`perdura show ${name}, or continue with: perdura chat ${name}\n`);
    expect(await perdura('run', 'go on', '-s', name)).toMatchObject({ out: 'and seven\n' });
  });
});

describe('perdura send, sessions, show', () => {
  it('send → accepted once, and where the answer will be; show → it is there', async () => {
    const name = newName();
    h.model.enqueue('Hello, Ann.');
    await h.runtime.start({ session: name });
    const sent = await perdura('send', name, 'hi', '--id', 'm1', '--from', 'Ann');
    expect(sent).toMatchObject({ code: 0, out: 'Accepted: message m1.\n' });
    expect(sent.err).toContain(`perdura show ${name}`);
    const again = await perdura('send', name, 'hi', '--id', 'm1', '--json');
    expect(again).toMatchObject({ code: 0, err: '' });
    expect(JSON.parse(again.out)).toMatchObject({ session: name, id: 'm1', duplicate: true });
    const repeated = await perdura('send', name, 'hi', '--id', 'm1');
    expect(repeated.out).toBe('Message m1 was already accepted; nothing was added.\n');
    const other = await perdura('send', name, 'something else', '--id', 'm1');
    expect(other).toMatchObject({ code: 1, out: '' });
    expect(other.err).toContain('Message.Conflict');
    await h.runtime.session(name).answerTo('m1');
    const { out } = await perdura('show', name);
    expect(out).toMatch(new RegExp(`^${name} · assistant · idle · 1 turn · `));
    expect(out.match(/ {2}Ann: hi\n/g)).toHaveLength(1);
    expect(out).toContain('    agent: Hello, Ann.\n');
  });

  it('P5 send --while-working → the turn is interrupted, rolled back, or the message refused', async () => {
    const name = newName();
    h.model.enqueue(endless, endless, 'at last');
    await h.runtime.start({ session: name });
    await perdura('send', name, 'count');
    await inTheMiddle(name);
    const busy = await perdura('send', name, 'hi', '--while-working', 'reject');
    expect(busy).toMatchObject({ code: 1, out: '' });
    expect(busy.err).toContain('Session.Busy');
    await perdura('send', name, 'again', '--while-working', 'interrupt');
    await new Reader().until(
      h.runtime.session(name),
      'delta',
      (item) => item.type === 'delta' && item.turn === 2,
    );
    const last = await perdura('send', name, 'stop', '--id', 'x', '--while-working', 'rollback');
    expect(last).toMatchObject({ code: 0, out: 'Accepted: message x.\n' });
    await h.runtime.session(name).answerTo('x');
    const { out } = await perdura('show', name);
    expect(out).toMatch(/Turn 1 · interrupted/);
    expect(out).toMatch(/Turn 2 · rolled back/);
    expect(out).toContain('  rolled back: message x came\n');
    expect(await perdura('send', name, 'x', '--while-working', 'shout')).toMatchObject({
      code: 2,
      err: expect.stringContaining('Use one of enqueue, steer,') as string,
    });
  });

  it('P12 answer → a call that waits gets its result, or why there is none; too late → why', async () => {
    const name = newName();
    h.model.enqueue(
      { toolCalls: [{ name: 'pick' }, { name: 'pick' }, { name: 'pick' }] },
      'Nice colours.',
    );
    const session = await h.runtime.start({ session: name });
    await perdura('send', name, 'pick', '--id', 'm');
    await eventually(async () => (await session.status()).waiting?.length === 3);
    expect((await perdura('show', name)).out).toContain('waits for an answer to call c2.0');
    expect(await perdura('answer', name, 'c2.0', '{"colour":"green"}')).toMatchObject({
      code: 0,
      out: `Call c2.0 of ${name} is answered.\n`,
    });
    expect(await perdura('answer', name, 'c2.1', 'not json')).toMatchObject({
      code: 2,
      err: expect.stringContaining('is not JSON. Add --text') as string,
    });
    await perdura('answer', name, 'c2.1', 'dark red', '--text');
    const refused = await perdura('answer', name, 'c2.2', '--refuse', 'no more', '--json');
    expect(JSON.parse(refused.out)).toEqual({ session: name, call: 'c2.2', done: 'refused' });
    expect((await session.answerTo('m')).text).toBe('Nice colours.');
    const told = h.model.requests.at(-1)!.messages.filter(({ role }) => role === 'tool');
    expect(told.map(({ text }) => text)).toEqual(['{"colour":"green"}', 'dark red', 'no more']);
    const late = await perdura('answer', name, 'c2.2', '1');
    expect(late).toMatchObject({ code: 1, out: '' });
    expect(late.err).toContain('has been refused');
  });

  it('sessions → a table for people, the records with --json', async () => {
    const name = newName();
    h.model.enqueue('yes');
    await perdura('run', 'there?', '-s', name);
    const json = await perdura('sessions', '--json', '--limit', '100');
    const records = JSON.parse(json.out) as SessionRecord[];
    expect(records.find(({ session }) => session === name)).toMatchObject({
      agent: 'assistant',
      state: 'idle',
      turns: 1,
    });
    const table = await perdura('sessions', '--state', 'idle');
    expect(table.out).toMatch(new RegExp(`^${name} +assistant +idle +1 `, 'm'));
    const none = await perdura('sessions', '--agent', 'nobody');
    expect(none).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^No matching sessions/) as string,
    });
  });

  it('called by npx → names other commands so that they can be typed', async () => {
    const name = newName();
    h.model.enqueue('yes');
    await h.runtime.start({ session: name });
    const { err } = await start(['send', name, 'hi'], { npm_command: 'exec' }).close().ended;
    expect(err).toContain(`npx perdura show ${name} (or follow it with: npx perdura chat ${name})`);
  });
});

describe('an MCP server that cannot be used', () => {
  let without: Harness;
  const mcp = { broken: { command: '/no/such/program' } };
  beforeAll(async () => {
    without = await Harness.start({ mcp });
  });
  afterAll(() => without.stop());

  it('run → answers without its tools, and says so; show says it too', async () => {
    const name = newName();
    const env = { PERDURA_TENANT: without.tenant, PERDURA_TASK_QUEUE: without.taskQueue };
    without.model.enqueue('I have no files here.');
    const run = await start(['run', 'Which files are there?', '-s', name], env).close().ended;
    expect(run).toMatchObject({ code: 0, out: 'I have no files here.\n' });
    const said = /MCP server broken is unavailable, continuing without its tools: .*exit code 127/;
    expect(run.err).toMatch(said);
    expect((await start(['show', name], env).close().ended).out).toMatch(said);
  });

  it('doctor, mcp status → say which, and why, without a stack', async () => {
    const place = join(folder, 'broken-mcp');
    await mkdir(place, { recursive: true });
    await writeFile(
      join(place, 'perdura.config.mjs'),
      `export default ${JSON.stringify({ mcp })};`,
    );
    const env = {
      DATABASE_URL: '',
      TEMPORAL_ADDRESS: '',
      PERDURA_CONFIG: join(place, 'perdura.config.mjs'),
      PERDURA_DATA_DIR: place,
    };
    const doctor = await start(['doctor', '--json'], env).close().ended;
    expect(doctor.code).toBe(1);
    expect(JSON.parse(doctor.out)).toContainEqual({
      name: 'MCP broken',
      ok: false,
      detail: expect.stringContaining('exit code 127') as string,
      remedy: 'Check that the MCP server starts and answers.',
    });
    const status = await start(['mcp', 'status'], env).close().ended;
    expect(status).toMatchObject({
      code: 1,
      out: expect.stringMatching(/✗ broken .*failed/) as string,
    });
    expect(status.err).toContain('the database, which does not run here');
  });
});

describe('a session that is terminated in Temporal', () => {
  const terminate = (name: string) =>
    h.runtime.temporal.workflow.getHandle(h.runtime.session(name).workflowId).terminate();

  it('run, in the middle of its answer → says so, exit code 1', { timeout: 60_000 }, async () => {
    const name = newName();
    h.model.enqueue(endless);
    const cli = start(['run', 'count', '-s', name]).close();
    await inTheMiddle(name);
    await terminate(name);
    const { code, err } = await cli.ended;
    expect(code).toBe(1);
    expect(err).toContain('its workflow was terminated');
    expect((await perdura('show', name)).out).toMatch(/ended: its workflow was terminated\n$/);
  });

  it('sessions → idle as before; sessions --check → ended', async () => {
    const name = newName();
    h.model.enqueue('hello');
    await (await h.runtime.start({ session: name })).ask('hi');
    await terminate(name);
    const stateIn = ({ out }: Ended) =>
      (JSON.parse(out) as SessionRecord[]).find(({ session }) => session === name)?.state;
    expect(stateIn(await perdura('sessions', '--json'))).toBe('idle');
    expect(stateIn(await perdura('sessions', '--json', '--check'))).toBe('terminated');
  });
});

describe('perdura interrupt, pause, resume, end', () => {
  it('interrupt → the turn ends; in no turn → says so', async () => {
    const name = newName();
    h.model.enqueue(endless);
    const session = await h.runtime.start({ session: name, message: 'count' });
    await inTheMiddle(name);
    const done = await perdura('interrupt', name, '--reason', 'enough');
    expect(done).toMatchObject({ code: 0, out: `Turn 1 of ${name} was interrupted.\n` });
    await eventually(async () => (await session.status()).state === 'idle');
    const idle = await perdura('interrupt', name);
    expect(idle).toMatchObject({
      code: 0,
      out: `No turn of ${name} is running: nothing to interrupt.\n`,
    });
    expect((await perdura('show', name)).out).toContain('  interrupted: enough\n');
  });

  it('pause → messages wait; resume → they are answered; end → one word for it everywhere', async () => {
    const name = newName();
    h.model.enqueue('here');
    const session = await h.runtime.start({ session: name });
    expect(await perdura('pause', name)).toMatchObject({ code: 0 });
    await eventually(async () => (await session.record())?.state === 'paused');
    await perdura('send', name, 'waiting', '--id', 'w');
    expect((await session.status()).queued).toBe(1);
    expect(await perdura('resume', name)).toMatchObject({ code: 0, out: `${name} is resumed.\n` });
    expect((await session.answerTo('w')).text).toBe('here');

    expect(await perdura('end', name, '--reason', 'done')).toMatchObject({ code: 0 });
    await eventually(async () => (await session.record())?.state === 'terminated');
    expect((await perdura('sessions', '--state', 'ended')).out).toMatch(
      new RegExp(`^${name} +assistant +ended +1 `, 'm'),
    );
    const shown = await perdura('show', name);
    expect(shown.out).toContain(`${name} · assistant · ended · 1 turn`);
    expect(shown.out).toContain('  ended: done\n');
    expect(shown.out).not.toContain('terminated');
    const json = JSON.parse((await perdura('show', name, '--json')).out) as SessionRecord;
    expect(json).toMatchObject({
      state: 'terminated',
      timeline: { states: [{ state: 'paused' }, { state: 'idle' }, { state: 'terminated' }] },
    });
    expect(await perdura('send', name, 'x')).toMatchObject({
      code: 1,
      err: expect.stringMatching(/^Session\.Closed: /) as string,
    });
  });
});

describe('perdura chat', () => {
  it('lines from a pipe → an answer each; /quit or the end of the input leaves; comes back', async () => {
    const name = newName();
    h.model.enqueue('first', 'second');
    const quit = await start(['chat', name]).type('one').type('').type('two').type('/quit').ended;
    expect(quit).toMatchObject({ code: 0, out: 'first\nsecond\n' });
    h.model.enqueue('third');
    const back = await start(['chat', '--session', name]).type('three').close().ended;
    expect(back).toMatchObject({ code: 0, out: 'third\n' });
    const transcript = await h.runtime.session(name).transcript();
    expect(transcript.map(({ message }) => 'text' in message && message.text)).toEqual([
      'one',
      'first',
      'two',
      'second',
      'three',
      'third',
    ]);
  });

  it('meanwhile others send, pause, resume → shown as it happens', async () => {
    const name = newName();
    h.model.enqueue('Hello.', 'Hello, Ann.');
    const chat = start(['chat', name]).type('hi');
    await chat.until('out', 'Hello.\n');
    await perdura('send', name, 'and me?', '--from', 'Ann');
    await chat.until('out', 'Hello, Ann.\n');
    expect(chat.err).toContain('Ann: and me?\n');
    await perdura('pause', name);
    await chat.until('err', '(paused)\n');
    await perdura('resume', name);
    await chat.until('err', '(resumed)\n');
    expect(await chat.close().ended).toMatchObject({ code: 0, out: 'Hello.\nHello, Ann.\n' });
  });

  it('meanwhile somebody ends the session → says so and leaves by itself, exit code 0', async () => {
    const name = newName();
    h.model.enqueue('Hello.');
    const chat = start(['chat', name]).type('hi');
    await chat.until('out', 'Hello.\n');
    await perdura('end', name, '--reason', 'enough');
    const { code, err } = await chat.ended;
    expect(err).toContain('(the session has ended: enough)\n');
    expect(err).toContain(`perdura show ${name}\n`);
    expect(code).toBe(0);
  });

  it('the session ends instead of an answer, into a pipe → exit code 1', async () => {
    const name = newName();
    h.model.enqueue(endless);
    const chat = start(['chat', name]).type('hi');
    await inTheMiddle(name);
    await perdura('end', name);
    expect(await chat.ended).toMatchObject({ code: 1 });
  });
});

describe('perdura: what goes wrong', () => {
  it.each([['show'], ['send', 'hi'], ['pause'], ['interrupt']])(
    '%s: an unknown session → Session.NotFound, exit code 1',
    async (verb, ...words) => {
      const { code, out, err } = await perdura(verb, 'nowhere', ...words);
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(err).toMatch(/^Session\.NotFound: There is no (?:open )?session nowhere/);
    },
  );

  it('an unknown agent → Agent.Unknown with those that there are, exit code 1', async () => {
    const { code, out, err } = await perdura('run', 'hi', '--agent', 'nobody');
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(
      /^Agent\.Unknown: There is no agent "nobody".*The configuration had: assistant\. If it has changed since, restart/,
    );
  });

  it.each(['worker', 'dev'])('%s: a malformed YAML agent → file, line and remedy', async (verb) => {
    const bad = join(folder, verb);
    await mkdir(join(bad, 'agents'), { recursive: true });
    await writeFile(join(bad, 'agents/poet.yaml'), 'name: poet\ninstructions: [x\n');
    await writeFile(join(bad, 'perdura.config.ts'), 'export default {};\n');
    const env = { PERDURA_CONFIG: join(bad, 'perdura.config.ts'), PERDURA_DATA_DIR: bad };
    const { code, out, err } = await start([verb], env).ended;
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toMatch(/^Agent\.Invalid: .*agents\/poet\.yaml:\d+/);
    expect(err).not.toMatch(/\n {4}at /);
  });

  it.each([['dev'], ['run', 'hi'], ['chat']])(
    '%s: where a dev is starting → that reason alone, exit code 1',
    async (...argv) => {
      const dataDir = join(folder, `starting-${argv[0]}`);
      const lock = await takeDevLock(dataDir);
      onTestFinished(lock.release);
      // No server is named, so the command would start its own.
      const cli = new Cli(argv, { cwd: folder, env: { PERDURA_DATA_DIR: dataDir } });
      const { code, out, err } = await cli.close().ended;
      expect({ code, out }).toEqual({ code: 1, out: '' });
      expect(err).toMatch(/^Stack\.Unavailable: `perdura dev` already runs in [^\n]*\n$/);
    },
  );
});
