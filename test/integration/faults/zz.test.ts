import { it } from 'vitest';
import { Harness } from '../../support/harness.js';
import { eventually, runsOf, userTexts } from '../../support/observe.js';
it('dbg', async () => {
  const h = await Harness.start({ settings: { historyLimit: 20 } });
  h.model.reply(/^/, (r) => `re: ${r.lastUserText}`);
  const session = await h.runtime.start();
  const t0 = Date.now();
  for (let i = 0; i < 60; i++) {
    const t = Date.now();
    let done = false;
    const p = session.send('m' + i).then((r) => { done = true; return r; }, (e) => { done = true; return e; });
    await Promise.race([p, new Promise((r) => setTimeout(r, 8000))]);
    if (Date.now() - t > 400 || !done) console.log(i, Date.now() - t, done, Date.now() - t0);
    if (!done) break;
  }
  console.log('sent', Date.now() - t0);
  await eventually(async () => (await session.status()).queued === 0);
  const runs = await runsOf(h, session.workflowId);
  console.log(runs.length, runs.map((r) => r.events).join(' '), userTexts(await session.transcript()).length);
  console.log(runs.slice(-2).map((r) => r.types.map((t) => t.replace('EventAttributes', '')).join(' ')).join('\n\n'));
  await h.stop();
}, 90000);
