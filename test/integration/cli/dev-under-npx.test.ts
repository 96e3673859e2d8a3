/** `npx perdura dev`, when the npx that it runs under is ended by something else than Ctrl-C. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { inject, expect, it } from 'vitest';
import { compiledModule } from '../../../src/stack/compiled.js';
import { temporaryFolder } from '../../support/temporary-folder.js';

it('dev: npx is killed → it stops, and so does all that it has started', async () => {
  const { PATH, HOME } = process.env;
  // A shell in the place of npx: it waits for dev, and tells it nothing of its own end.
  const shell = spawn(
    'sh',
    [
      '-c',
      '"$@" & wait',
      'sh',
      process.execPath,
      compiledModule('src/cli/main.js'),
      'dev',
      '--json',
    ],
    {
      cwd: temporaryFolder(),
      env: {
        PATH,
        HOME,
        npm_command: 'exec',
        TEMPORAL_ADDRESS: inject('temporalAddress'),
        DATABASE_URL: inject('databaseUrl'),
      },
    },
  );
  let out = '';
  let err = '';
  shell.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
  await new Promise<void>((resolve, reject) => {
    shell.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      if (out.includes('"ready"')) resolve();
    });
    shell.once('close', () => reject(new Error(out + err)));
  });
  // Whoever is started has the pipe: it is closed when the last of them has gone.
  const closed = once(shell.stdout, 'close');
  shell.kill('SIGKILL');
  await closed;
  expect(JSON.parse(out.slice(out.indexOf('{')))).toMatchObject({ type: 'ready' });
});
