/** A workflow of this application, beside Perdura's. Sandbox only. */
import { createAgentLoop, receive } from 'perdura/workflow';

export { agentSession } from 'perdura/workflow';

/** Two agents give their view, a person decides, one of them puts it into words. */
export async function advise(tenant: string, question: string) {
  const inbox = receive();
  const { startSession } = createAgentLoop({ tenant });
  const [optimist, sceptic] = await Promise.all([
    startSession({ agent: 'optimist' }),
    startSession({ agent: 'sceptic' }),
  ]);
  const views = await Promise.all([optimist.ask(question), sceptic.ask(question)]);
  const { text: decision } = await inbox.next();
  const answer = await sceptic.ask(`It was decided: ${decision} Report that.`);
  return { views: views.map(({ text }) => text), decision, answer: answer.text };
}
