/**
 * DBOS: a workflow per turn, its input the whole transcript (DBOS keeps none), model and tool
 * calls as its steps. The transcript between turns is kept in memory here; an application
 * would pay for keeping it besides.
 */
import { DBOS } from '@dbos-inc/dbos-sdk';
import { createModel, INSTRUCTIONS, runTool } from './model.mjs';

export async function start({ modelUrl, databaseUrl }) {
  const model = createModel(modelUrl);
  DBOS.setConfig({ name: 'bench', systemDatabaseUrl: databaseUrl, logLevel: 'error' });
  const turn = DBOS.registerWorkflow(
    async (messages) => {
      const added = [];
      for (;;) {
        const answer = await DBOS.runStep(() => model([...messages, ...added]), { name: 'model' });
        added.push(answer);
        if (!answer.tool_calls) return added;
        for (const call of answer.tool_calls) {
          const content = await DBOS.runStep(async () => runTool(call), { name: 'tool' });
          added.push({ role: 'tool', tool_call_id: call.id, content });
        }
      }
    },
    { name: 'turn' },
  );
  await DBOS.launch();
  const transcript = [{ role: 'system', content: INSTRUCTIONS }];
  return {
    turn: async (text) => {
      transcript.push({ role: 'user', content: text });
      transcript.push(...(await turn(transcript)));
      return transcript.at(-1).content;
    },
    stop: () => DBOS.shutdown(),
  };
}
