import { it } from 'vitest';
import { z } from 'zod';
import { tool } from '../../../src/contracts/define-tool.js';
import { Harness } from '../../support/harness.js';
import { runsOf } from '../../support/observe.js';
const noop = tool({ name: 'noop', description: 'x', parameters: z.object({}), effect: 'read', run: 'local', execute: () => 'done' });
const step = { toolCalls: Array.from({ length: 100 }, () => ({ name: 'noop' })) };
it('dbg', async () => {
  const h = await Harness.start({ tools: [noop], settings: { historyLimit: 20 } });
  h.model.enqueue(...Array.from({ length: 9 }, () => step), 'the end', 'next');
  const session = await h.runtime.start();
  const t0 = Date.now();
  setTimeout(() => void session.send('meanwhile').then((r) => console.log('sent', r)), 300); session.ask('long').then((a) => console.log('answer', a), (e) => console.log('failed', e.message));
  for (let i = 0; i < 25; i++) {
    await new Promise((r) => setTimeout(r, 1000));
    const rec = await session.record();
    console.log(Date.now() - t0, rec!.head, h.model.requests.length, await Promise.race([session.status().then((s) => `${s.step} ${s.runs} ${s.state}`), new Promise((r) => setTimeout(() => r('no status'), 500))]));
    if (rec!.state === 'idle') break;
  }
  for (const r of await runsOf(h, session.workflowId)) { const c: any = {}; for (const t of r.types) c[t] = (c[t] ?? 0) + 1; console.log(r.events, c); }
  await h.stop();
}, 90000);
