/**
 * The model of the benchmark: an OpenAI-compatible server in a process of its own that answers
 * at once. What it does for a request does not grow with the conversation beyond receiving it:
 * it looks at the end of the body for the role of the last message, and parses nothing.
 *
 * After a user message it calls the tool `add`, after a tool's result it answers in a few
 * words. A word in the user message changes that: `@stamp` answers with the time at which its
 * first token was written (ns of the monotonic clock, which all processes of a machine share);
 * `@slow` streams a word every 100 ms for a minute; `@delegate` makes it call the sub-agent by the tool that
 * is offered for it, and `@plain` answer in a few words at once.
 *
 * `GET /log` gives when requests came and were answered, and forgets them.
 */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Enough for the last message and what clients put behind the messages (tools, parameters). */
const TAIL_BYTES = 16 * 1024;
const SLOW_WORDS = 600;
const SLOW_MS = 100;
const KEPT = 100_000;
const TRANSFER = 'transfer_to_assistant';

/** One request, in ms of the monotonic clock. */
export interface ModelRequestLog {
  readonly arrivedMs: number;
  readonly answeredMs: number;
  readonly bodyBytes: number;
}

let log: ModelRequestLog[] = [];
let calls = 0;

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(log));
    log = [];
    return;
  }
  const arrived = nowMs();
  let head = '';
  let tail: Buffer = Buffer.alloc(0);
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    if (bytes === 0) head = chunk.toString('latin1', 0, 512);
    bytes += chunk.length;
    tail = tail.length === 0 ? chunk : Buffer.concat([tail.subarray(-TAIL_BYTES), chunk]);
  });
  request.on('end', () => {
    answer(response, head, tail.toString('utf8'), bytes);
    if (log.length >= KEPT) log = [];
    log.push({ arrivedMs: arrived, answeredMs: nowMs(), bodyBytes: bytes });
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  process.send?.({ type: 'ready', port: (server.address() as AddressInfo).port });
});
process.on('disconnect', () => process.exit(0));

function answer(response: ServerResponse, head: string, tail: string, bytes: number): void {
  // In a user's text the quotes would be escaped, so this is the last message of the request.
  const at = tail.lastIndexOf('"role":"');
  const role = tail.startsWith('tool"', at + 8) ? 'tool' : 'user';
  // The content may stand before the role, so the start of the message is looked for.
  const last = tail.slice(tail.lastIndexOf('{', at));
  const id = `chatcmpl-${++calls}`;
  const usage = { prompt_tokens: Math.ceil(bytes / 4), completion_tokens: 8 };
  const streams = head.includes('"stream":true') || tail.includes('"stream":true');
  if (!streams) return whole(response, id, role, usage);

  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const send = (delta: object, finish: string | null = null) =>
    response.write(event(id, [{ index: 0, delta, finish_reason: finish }]));
  const end = (finish: string) => {
    send({}, finish);
    response.write(event(id, [], { ...usage, total_tokens: usage.prompt_tokens + 8 }));
    response.end('data: [DONE]\n\n');
  };
  if (role === 'user' && last.includes('@slow')) return slow(response, send, end);
  if (role === 'user' && last.includes('@stamp')) {
    send({ role: 'assistant', content: `${process.hrtime.bigint()} ` });
    // The rest comes when the first token is surely on its way.
    setTimeout(() => {
      send({ content: 'is when I said it.' });
      end('stop');
    }, 150);
    return;
  }
  if (role === 'user' && !last.includes('@plain')) {
    const call = last.includes('@delegate') ? delegateCall(tail) : toolCall();
    send({ role: 'assistant', content: null, tool_calls: [{ index: 0, ...call }] });
    end('tool_calls');
    return;
  }
  for (const word of ['The', ' sum', ' is', ' 42.']) send({ role: 'assistant', content: word });
  end('stop');
}

function slow(
  response: ServerResponse,
  send: (delta: object) => void,
  end: (finish: string) => void,
): void {
  let words = 0;
  const timer = setInterval(() => {
    send({ role: 'assistant', content: `word ${++words} ` });
    if (words < SLOW_WORDS) return;
    clearInterval(timer);
    end('stop');
  }, SLOW_MS);
  response.on('close', () => clearInterval(timer));
}

function whole(response: ServerResponse, id: string, role: string, usage: object): void {
  const message =
    role === 'tool'
      ? { role: 'assistant', content: 'The sum is 42.' }
      : { role: 'assistant', content: null, tool_calls: [toolCall()] };
  const choices = [{ index: 0, message, finish_reason: role === 'tool' ? 'stop' : 'tool_calls' }];
  response
    .setHeader('content-type', 'application/json')
    .end(
      JSON.stringify({ id, object: 'chat.completion', model: 'bench', created: 0, choices, usage }),
    );
}

function toolCall() {
  const args = JSON.stringify({ a: 40, b: 2 });
  return { id: `call_${calls}`, type: 'function', function: { name: 'add', arguments: args } };
}

function delegateCall(tail: string) {
  // LangGraph's supervisor hands over the conversation, without a task.
  if (tail.includes(TRANSFER)) {
    return { id: `call_${calls}`, type: 'function', function: { name: TRANSFER, arguments: '{}' } };
  }
  const args = JSON.stringify({ task: '@plain: what is 40 and 2?' });
  return { id: `call_${calls}`, type: 'function', function: { name: 'delegate', arguments: args } };
}

function event(id: string, choices: object[], usage?: object): string {
  const chunk = { id, object: 'chat.completion.chunk', created: 0, model: 'bench', choices, usage };
  return `data: ${JSON.stringify(chunk)}\n\n`;
}

function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
