/** `perdura doctor`: what is there, what is missing, how to mend it. */
import { loadConfig } from '../../config/load-config.js';
import { withRemedy, PerduraError } from '../../contracts/failures.js';
import type { Check } from '../../stack/doctor-check.js';
import { EXIT, type Context } from '../context.js';
import { checksText } from '../render/checks.js';

/** Exit code 1 when something has to be mended; warnings are not. */
export async function doctor(context: Context): Promise<number> {
  const { settings, terminal } = context;
  const { runDoctor } = await import('../../stack/doctor.js');
  const [checks, agents] = await Promise.all([runDoctor(settings), checkAgents(context)]);
  const all = [...checks, agents];
  terminal.printJson(all);
  terminal.print(checksText(all, terminal.style));
  return all.every(({ ok }) => ok) ? EXIT.ok : EXIT.failed;
}

async function checkAgents({ settings }: Context): Promise<Check> {
  try {
    const { agents } = await loadConfig(settings);
    return { name: 'Agents', ok: true, detail: agents.map(({ name }) => name).join(', ') };
  } catch (error) {
    const detail = error instanceof PerduraError ? withRemedy(error) : String(error);
    return { name: 'Agents', ok: false, detail };
  }
}
