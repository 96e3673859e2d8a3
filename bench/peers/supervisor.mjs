/**
 * LangGraph's supervisor as its documentation has it: it hands a task over to an agent, which answers
 * and hands back, or calls a tool itself. One thread in PostgreSQL, a checkpoint after every step
 * before the next one begins (`durability: 'sync'`).
 */
import { HumanMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { createReactAgent } from '@langchain/langgraph/prebuilt';
import { PostgresSaver } from '@langchain/langgraph-checkpoint-postgres';
import { createSupervisor } from '@langchain/langgraph-supervisor';
import { z } from 'zod';
import { BenchChatModel } from './chat-model.mjs';
import { INSTRUCTIONS } from './model.mjs';

export async function start({ modelUrl, databaseUrl }) {
  const llm = new BenchChatModel({ modelUrl });
  const checkpointer = PostgresSaver.fromConnString(databaseUrl);
  await checkpointer.setup();
  const add = tool(({ a, b }) => String(a + b), {
    name: 'add',
    description: 'Adds two numbers.',
    schema: z.object({ a: z.number(), b: z.number() }),
  });
  const assistant = createReactAgent({
    llm,
    tools: [add],
    name: 'assistant',
    prompt: INSTRUCTIONS,
  });
  const graph = createSupervisor({
    agents: [assistant],
    llm,
    tools: [add],
    prompt: INSTRUCTIONS,
  }).compile({ checkpointer });
  const options = { configurable: { thread_id: 'bench' }, durability: 'sync' };
  return {
    turn: async (text) => {
      const { messages } = await graph.invoke({ messages: [new HumanMessage(text)] }, options);
      const since = messages.slice(messages.findLastIndex((each) => each.getType() === 'human'));
      const handedOver = since.some(({ name }) => name === 'transfer_to_assistant');
      if (handedOver !== text.startsWith('@delegate'))
        throw new Error('The supervisor mistook it.');
      return messages.at(-1).content;
    },
    stop: () => checkpointer.end(),
  };
}
