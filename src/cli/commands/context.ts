/** `perdura context`: what the model of a session would be shown, before it is. */
import { loadConfig } from '../../config/load-config.js';
import { createLogger } from '../../config/logger.js';
import { PerduraError } from '../../contracts/failures.js';
import { EXIT, type CommandContext } from '../context.js';
import { contextText } from '../render/context.js';
import { whereThingsAre } from './worker.js';

/** Calls no model. With `message`: as if it began the next turn. */
export async function showContext(
  context: CommandContext,
  session: string,
  { message, full = false }: { message?: string | undefined; full?: boolean | undefined },
): Promise<number> {
  const { terminal } = context;
  const settings = await whereThingsAre(context.settings);
  if (settings.databaseUrl === undefined) {
    throw new PerduraError(
      'Stack.Unavailable',
      'The transcript is in the database. Start `perdura dev` in this folder, or set DATABASE_URL.',
      { saysRemedy: true },
    );
  }
  const config = await loadConfig(settings);
  const { previewSession } = await import('../../../worker/preview.js');
  const preview = await previewSession({
    config,
    databaseUrl: settings.databaseUrl,
    tenant: settings.tenant,
    session,
    ...(message === undefined ? {} : { message }),
    log: createLogger(settings.logLevel === 'debug' ? 'debug' : 'error'),
  });
  const { view, tools, instructions, memory, runtime } = preview;
  terminal.printJson({
    session,
    agent: runtime.agent.name,
    model: runtime.agent.model,
    tokens: view.tokens,
    limit: view.room.limit,
    overflow: view.overflow,
    instructions,
    tools,
    ...(memory === undefined ? {} : { memory }),
    entries: view.entries,
    messages: preview.messages,
  });
  terminal.print(contextText(preview, { style: terminal.style, full }));
  return EXIT.ok;
}
