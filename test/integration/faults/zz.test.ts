import { it } from 'vitest';
import { Harness } from '../../support/harness.js';
it('dbg', async () => {
  const h = await Harness.start();
  h.model.reply('hello', (r) => `re: ${r.lastUserText}`);
  for (let i = 0; i < 15; i++) {
  const session = await h.runtime.start({ message: 'hello' });
  await session.end();
  const handle = h.runtime.temporal.workflow.getHandle(session.workflowId);
  const r = await Promise.race([handle.result(), new Promise((r) => setTimeout(() => r('HANG'), 2000))]);
  if (r !== 'HANG') continue;
  console.log('round', i);
  await handle.signal('resume');
  const r2 = await Promise.race([handle.result(), new Promise((r) => setTimeout(() => r('HANG'), 8000))]);
  console.log('after signal', r2);
  break;
  }
  h.model.reply('stream', { text: 'word '.repeat(400), chunkDelayMs: 5 });
  let hung = 0;
  for (let i = 0; i < 15; i++) {
    const session = await h.runtime.start({ message: 'stream' });
    for await (const item of session.events()) if (item.type === 'delta') break;
    const r = await Promise.race([session.interrupt(), new Promise((r) => setTimeout(() => r('HANG'), 2500))]);
    if (r === 'HANG') hung++;
  }
  console.log('hung', hung);
  await h.stop();
}, 60000);
