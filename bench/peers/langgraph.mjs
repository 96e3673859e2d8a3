/**
 * LangGraph JS as its documentation has it: a graph of a model node and a tools node over
 * `MessagesAnnotation`, a thread in PostgreSQL, a checkpoint after every step before the next
 * one begins (`durability: 'sync'`).
 */
import { HumanMessage, ToolMessage } from '@langchain/core/messages';
import { END, MessagesAnnotation, START, StateGraph } from '@langchain/langgraph';
import { PostgresSaver } from '@langchain/langgraph-checkpoint-postgres';
import { createModel, INSTRUCTIONS, runTool } from './model.mjs';
import { fromWire, toWire } from './wire.mjs';

export async function start({ modelUrl, databaseUrl }) {
  const model = createModel(modelUrl);
  const checkpointer = PostgresSaver.fromConnString(databaseUrl);
  await checkpointer.setup();
  const graph = new StateGraph(MessagesAnnotation)
    .addNode('model', async ({ messages }) => {
      const answer = await model([
        { role: 'system', content: INSTRUCTIONS },
        ...messages.map(toWire),
      ]);
      return { messages: [fromWire(answer)] };
    })
    .addNode('tools', ({ messages }) => ({
      messages: messages.at(-1).tool_calls.map(
        ({ id, args }) =>
          new ToolMessage({
            tool_call_id: id,
            content: runTool({ function: { arguments: JSON.stringify(args) } }),
          }),
      ),
    }))
    .addEdge(START, 'model')
    .addConditionalEdges('model', ({ messages }) =>
      messages.at(-1).tool_calls?.length > 0 ? 'tools' : END,
    )
    .addEdge('tools', 'model')
    .compile({ checkpointer });
  const options = { configurable: { thread_id: 'bench' }, durability: 'sync' };
  return {
    turn: async (text) => {
      const { messages } = await graph.invoke({ messages: [new HumanMessage(text)] }, options);
      return messages.at(-1).content;
    },
    stop: () => checkpointer.end(),
  };
}
