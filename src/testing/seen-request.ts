/**
 * A model request as a test reads it: the same shape for chat completions and for Responses.
 * Reading only; what to answer is decided elsewhere.
 */

export interface SeenCall {
  readonly id: string;
  readonly name: string;
  readonly arguments: string;
}

export interface SeenMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  /** The text parts, joined. */
  readonly text: string;
  readonly calls: readonly SeenCall[];
  /** For `tool`: the call that it answers. */
  readonly callId?: string;
}

export interface SeenTool {
  readonly name: string;
  readonly description: string;
  readonly parameters: Readonly<Record<string, unknown>>;
}

export interface SeenRequest {
  readonly api: 'chat' | 'responses';
  /** As it came, parsed. */
  readonly body: Json;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** When it came, ms since the epoch. */
  readonly at: number;
  readonly model: string;
  /** System prompt or instructions. */
  readonly system: string;
  /** Without the system prompt. Calls that one assistant message made together are in one message. */
  readonly messages: readonly SeenMessage[];
  readonly tools: readonly SeenTool[];
  /** `none` when tools are shown but must not be called. */
  readonly toolChoice: string;
  readonly responseFormat?: { readonly name: string; readonly schema: Json };
  /** Text of the last user message, or ''. */
  readonly lastUserText: string;
}

export type Json = Readonly<Record<string, unknown>>;

export function readRequest(
  path: string,
  body: Json,
  headers: SeenRequest['headers'],
  at: number,
): SeenRequest {
  const api = path.endsWith('/responses') ? 'responses' : 'chat';
  const all = api === 'chat' ? chatMessages(body) : responsesMessages(body);
  const messages = all.filter((m) => m.role !== 'system');
  const format =
    api === 'chat'
      ? record(record(body.response_format).json_schema)
      : record(record(body.text).format);
  const lastUser = messages.findLast((m) => m.role === 'user');
  return {
    api,
    body,
    headers,
    at,
    model: text(body.model),
    system: all
      .filter((m) => m.role === 'system')
      .map((m) => m.text)
      .join('\n'),
    messages,
    tools: list(body.tools).map((tool) => {
      const fn = api === 'chat' ? record(tool.function) : tool;
      return {
        name: text(fn.name),
        description: text(fn.description),
        parameters: record(fn.parameters),
      };
    }),
    toolChoice: text(body.tool_choice) || 'auto',
    ...(format.schema === undefined
      ? {}
      : { responseFormat: { name: text(format.name), schema: record(format.schema) } }),
    lastUserText: lastUser?.text ?? '',
  };
}

function chatMessages(body: Json): SeenMessage[] {
  return list(body.messages).map((m) => ({
    role: roleOf(m.role),
    text: contentText(m.content),
    calls: list(m.tool_calls).map((call) => {
      const fn = record(call.function);
      return { id: text(call.id), name: text(fn.name), arguments: text(fn.arguments) };
    }),
    ...(typeof m.tool_call_id === 'string' ? { callId: m.tool_call_id } : {}),
  }));
}

function responsesMessages(body: Json): SeenMessage[] {
  const messages: SeenMessage[] = [];
  if (typeof body.instructions === 'string') {
    messages.push({ role: 'system', text: body.instructions, calls: [] });
  }
  if (typeof body.input === 'string') messages.push({ role: 'user', text: body.input, calls: [] });
  for (const item of list(body.input)) {
    if (item.type === 'function_call') {
      const call = {
        id: text(item.call_id),
        name: text(item.name),
        arguments: text(item.arguments),
      };
      const last = messages.at(-1);
      if (last?.role === 'assistant') {
        messages[messages.length - 1] = { ...last, calls: [...last.calls, call] };
      } else messages.push({ role: 'assistant', text: '', calls: [call] });
    } else if (item.type === 'function_call_output') {
      messages.push({
        role: 'tool',
        text: contentText(item.output),
        calls: [],
        callId: text(item.call_id),
      });
    } else if (item.role !== undefined) {
      messages.push({ role: roleOf(item.role), text: contentText(item.content), calls: [] });
    }
  }
  return messages;
}

function roleOf(role: unknown): SeenMessage['role'] {
  return role === 'user' || role === 'assistant' || role === 'tool' ? role : 'system';
}

function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  return list(content)
    .map((part) => text(part.text))
    .filter((t) => t !== '')
    .join('\n');
}

/** The objects of an array; nothing for anything else. */
export function list(value: unknown): Json[] {
  return Array.isArray(value)
    ? value.filter((v): v is Json => typeof v === 'object' && v !== null)
    : [];
}

export function record(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Json)
    : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
