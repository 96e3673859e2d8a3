/** A workflow of this application, made of the parts of a session. There is no session. */
import { createAgentLoop } from 'perdura/workflow';

export async function settle(tenant: string, folder: string, invoice: string) {
  const { agent, transcript } = createAgentLoop({ tenant });
  const clerk = agent('clerk');

  // A tool that no model has asked for, of an MCP server.
  const file = { path: `${folder}/${invoice}.txt` };
  const read = await clerk.tool('files__read_text_file', file);

  // Two turns of model and tools. The second one knows the first.
  const memory = { transcript: transcript() };
  await clerk.run(`Call files__read_text_file with ${JSON.stringify(file)}`, memory);
  const paid = await clerk.run(`Call pay with ${JSON.stringify({ invoice })}`, memory);

  const messages = await memory.transcript.messages();
  return {
    read: read.text,
    answer: paid.text,
    roles: messages.map(({ message }) => message.role),
    tokens: memory.transcript.usage.input + memory.transcript.usage.output,
  };
}
