/**
 * Records histories of sessions into test/histories, where every later build replays them:
 *
 *     npm run record-histories                   all scenarios
 *     npm run record-histories -- interrupt      some of them
 *
 * Nothing is overwritten: the corpus only grows. Run it when a release has changed what the
 * workflow does, and commit the files with their lines in the README there.
 */
import { appendFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { Session } from '../src/client/session.js';
import { startTestServers } from '../src/testing/test-servers.js';
import { startTestStack, type TestStack } from '../src/testing/test-stack.js';
import { SCENARIOS } from './history-scenarios.js';

const FOLDER = new URL('../test/histories/', import.meta.url);

interface RecordedEvent {
  readonly workflowExecutionStartedEventAttributes?: { workflowId?: string };
  readonly workflowExecutionContinuedAsNewEventAttributes?: { newExecutionRunId?: string };
}

/** Longest life of a scenario, ms. */
const PATIENCE = 60_000;

/** The runs of the session, the first one first, each as `temporal workflow show -o json` has it. */
async function runsOf({ runtime }: TestStack, session: Session): Promise<string[]> {
  const { workflow } = runtime.temporal;
  const { workflowId } = session;
  const { raw } = await workflow.getHandle(workflowId).describe();
  let runId = raw.workflowExecutionInfo?.firstRunId ?? undefined;
  const texts: string[] = [];
  do {
    const history = await workflow.getHandle(workflowId, runId).fetchHistory();
    const recorded = JSON.parse(historyToJSON(history), withoutMachine) as {
      events: RecordedEvent[];
    };
    const [first] = recorded.events;
    // Some servers leave it out, and a session derives its name from it.
    first!.workflowExecutionStartedEventAttributes!.workflowId = workflowId;
    texts.push(`${JSON.stringify(recorded, null, 1)}\n`);
    runId =
      recorded.events.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId;
  } while (runId);
  return texts;
}

/** Process, host and paths of whoever recorded are of no use to a replay. */
function withoutMachine(name: string, value: unknown): unknown {
  if (name === 'identity') return 'recorder';
  return name === 'stackTrace' ? '' : value;
}

const { version } = JSON.parse(
  await readFile(new URL('../package.json', import.meta.url), 'utf8'),
) as { version: string };
const wanted = process.argv.slice(2);
const names = wanted.length > 0 ? wanted : Object.keys(SCENARIOS);
const servers = await startTestServers();
try {
  for (const name of names) {
    const scenario = SCENARIOS[name];
    if (!scenario)
      throw new Error(`There is no scenario "${name}": ${Object.keys(SCENARIOS).join(', ')}.`);
    const stack = await startTestStack({
      ...scenario.options,
      temporalAddress: servers.temporalAddress,
      databaseUrl: servers.databaseUrl,
    });
    const session = await Promise.race([
      scenario.play(stack),
      sleep(PATIENCE).then(() => {
        throw new Error(`"${name}" did not end within ${PATIENCE} ms.`);
      }),
    ]);
    const runs = await runsOf(stack, session);
    await stack.stop();
    const earlier = (await readdir(FOLDER)).filter((file) => file.startsWith(`${name}.`));
    const taken = new Set(earlier.map((file) => file.split('.')[1]));
    const number = String(taken.size + 1).padStart(3, '0');
    for (const [index, text] of runs.entries()) {
      const file = `${name}.${number}${runs.length > 1 ? `.run-${index + 1}` : ''}.json`;
      await writeFile(new URL(file, FOLDER), text, { flag: 'wx' });
      const of = runs.length > 1 ? `; run ${index + 1} of ${runs.length}` : '';
      await appendFile(
        new URL('README.md', FOLDER),
        `| \`${file}\` | ${version} | ${scenario.what}${of} |\n`,
      );
      console.log(file);
    }
  }
} finally {
  await servers.stop();
}
process.exit(0);
