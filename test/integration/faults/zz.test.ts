import { it } from 'vitest';
import { Harness } from '../../support/harness.js';
it('dbg', async () => {
  const h = await Harness.start();
  const e: any = await h.runtime.start({ session: 'x1', agent: 'nobody', message: 'x' }).catch((e) => e);
  const { events } = await h.runtime.temporal.workflow.getHandle(h.runtime.session('x1').workflowId).fetchHistory();
  console.log(events!.map((e) => Object.keys(e).find((k) => k.endsWith('Attributes'))+JSON.stringify((e as any)[Object.keys(e).find((k) => k.endsWith('Attributes'))!]).slice(0,300)).join('\n'));
  await h.stop();
}, 60000);
