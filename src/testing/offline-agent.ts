/**
 * What the offline model says: rules over the request alone. It remembers nothing, so that a
 * retry, another worker, or a restart gets the same answer. It plays no intelligence: every
 * answer says that it is scripted.
 */
import type { ScriptedResponse } from './scripted-response.js';
import type { SeenRequest } from './seen-request.js';
import { fileStep } from './offline-files.js';
import { instanceOf } from './offline-json.js';
import {
  commandedCalls,
  describeResults,
  sumCall,
  sumIn,
  toolList,
  unknownTool,
} from './offline-tools.js';
import { instructedCall } from './offline-role.js';
import { planStep } from './offline-plan.js';
import { callId, readTurn, toolNamed } from './offline-turn.js';
import type { Turn } from './offline-turn.js';

/** How every text of the offline model begins. */
export const OFFLINE_MARK = '(scripted offline model)';

/** Pace of an ordinary answer, so that words are seen to come: 8 characters each 10 ms. */
const PACE = { chunkSize: 8, chunkDelayMs: 10 };
/** Pace of a long one: time enough to interrupt it. */
const SLOW = { chunkSize: 6, chunkDelayMs: 120 };

/** Characters of a token, as everybody's rule of thumb has it. */
const TOKEN_CHARS = 4;

export function offlineAnswer(request: SeenRequest): ScriptedResponse {
  const answer = answerTo(request);
  // The whole request is read, as by any model.
  const { messages, input, instructions, tools } = request.body;
  const read = JSON.stringify({ messages, input, instructions, tools });
  const said = JSON.stringify(answer.toolCalls ?? []) + (answer.text ?? '');
  const tokens = (text: string) => Math.ceil(text.length / TOKEN_CHARS);
  return { ...answer, usage: { input: tokens(read), output: tokens(said) } };
}

function answerTo(request: SeenRequest): ScriptedResponse {
  if (/summari[sz]e the conversation/i.test(request.system)) return say(summary(request));
  const turn = readTurn(request);
  const answer = step(turn);
  const { responseFormat } = request;
  // Only the last message of a turn must be JSON.
  if (responseFormat === undefined || answer.toolCalls !== undefined) return answer;
  return { ...PACE, text: JSON.stringify(instanceOf(responseFormat.schema, answer.text ?? '')) };
}

function step(turn: Turn): ScriptedResponse {
  const { question, done } = turn;
  const planned = planStep(turn);
  if (planned) return planned.text === undefined ? { ...PACE, ...planned } : say(planned.text);
  // Another one that plays a model has said it: nothing in it is an order, or a question.
  const echo = question.startsWith(OFFLINE_MARK);
  const command = echo ? [] : commandedCalls(turn);
  if (command.length > 0 && done.length === 0) return { ...PACE, toolCalls: command };

  const files = command.length > 0 || echo ? undefined : fileStep(turn);
  if (files !== undefined) {
    return 'text' in files ? say(files.text) : { ...PACE, chunkSize: 40, toolCalls: files.calls };
  }
  const told = command.length > 0 ? undefined : instructedCall(turn);
  if (told !== undefined) return { ...PACE, chunkSize: 40, toolCalls: [told] };
  if (done.length > 0) return say(describeResults(turn));
  if (echo) return say(`I have heard: “${clip(question.slice(OFFLINE_MARK.length), 80)}”`);

  const unknown = unknownTool(turn);
  if (unknown !== undefined) {
    return say(`I have no tool named "${unknown}" here. I have: ${toolList(turn.tools)}.`);
  }
  const sum = sumIn(question);
  if (sum !== undefined) {
    const call = sumCall(turn, sum);
    if (call !== undefined) return { ...PACE, toolCalls: [call] };
    return say(`${sum.a} ${sum.op} ${sum.b} = ${sum.value}. I computed this without a tool.`);
  }
  const clock = toolNamed(turn, 'current_time', 'get_current_time', 'time', 'clock', 'now');
  if (clock !== undefined && /\b(?:time|date|today|clock)\b/i.test(question)) {
    const args = instanceOf(clock.parameters, 'UTC') as object;
    return { ...PACE, toolCalls: [{ id: callId(turn, 0), name: clock.name, arguments: args }] };
  }
  return long(question) ?? say(smallTalk(turn));
}

function say(text: string): ScriptedResponse {
  return { ...PACE, text: `${OFFLINE_MARK} ${text}` };
}

function long(question: string): ScriptedResponse | undefined {
  const to = /\bcount\b.*?\bto\s+(\d{1,4})/i.exec(question)?.[1];
  if (to !== undefined) {
    const numbers = Array.from({ length: Math.min(Number(to), 1000) }, (_, i) => i + 1);
    return { ...SLOW, text: `${OFFLINE_MARK} ${numbers.join(', ')}.` };
  }
  const endless = /\b(?:long|endless)\b.*\b(?:story|answer|text|poem|essay)\b/i.test(question);
  if (!endless && !/\btell\b.*\bstory\b/i.test(question)) return undefined;
  const story = Array.from(
    { length: endless ? 40 : 3 },
    (_, i) =>
      `Chapter ${i + 1}. A worker carried a message through the night and set it down safely.`,
  );
  return { ...SLOW, text: `${OFFLINE_MARK} ${story.join('\n')}` };
}

function smallTalk({ request, question, tools }: Turn): string {
  const turns = request.messages.filter((m) => m.role === 'user').length;
  return (
    `You said: “${clip(question, 300)}”. I am not a real model: no OPENAI_API_KEY is set, so ` +
    'my answers follow fixed rules. ' +
    `I can use tools (${toolList(tools)}), as in: use tool NAME with {"key": "value"}; answer ` +
    'questions about files where file tools are offered; do sums; and "count to 100 slowly". ' +
    `This is your message number ${turns} that I see.`
  );
}

/** For compaction: who said what, short; facts are quoted, never made up. */
function summary({ messages }: SeenRequest): string {
  const lines = messages.flatMap((m) => {
    if (m.role === 'user') return [`- The user: ${clip(m.text, 200)}`];
    if (m.role === 'tool') return [`- A tool answered: ${clip(m.text, 120)}`];
    const calls = m.calls.map((c) => `- Called ${c.name} with ${clip(c.arguments, 120)}`);
    return m.text === '' ? calls : [`- The assistant: ${clip(m.text, 200)}`, ...calls];
  });
  const kept = lines.length > 40 ? [...lines.slice(0, 10), '- …', ...lines.slice(-30)] : lines;
  return `Summary of ${messages.length} messages:\n${kept.join('\n')}`;
}

function clip(text: string, length: number): string {
  const line = text.replace(/\s+/g, ' ').trim();
  return line.length > length ? `${line.slice(0, length)}…` : line;
}
