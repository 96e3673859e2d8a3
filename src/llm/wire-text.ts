/**
 * How transcript messages read to a model, in whichever API. Pure; the shapes of the requests
 * are in `chat-request.ts` and `responses-request.ts`.
 */
import type {
  ContentPart,
  SummaryMessage,
  ToolMessage,
  UserMessage,
} from '../contracts/message.js';

type ImagePart = Extract<ContentPart, { type: 'image' }>;

/** A user's text; who sent it goes before it, since `name` allows few characters and few APIs. */
export function userText({ text, from }: UserMessage): string {
  return from === undefined ? text : `[from ${from.replace(/[\r\n[\]]/g, ' ')}] ${text}`;
}

/** A summary goes as a user message: many endpoints take one system message only, at the start. */
export function summaryText({ text, covers }: SummaryMessage): string {
  return (
    `[Summary of the earlier conversation, messages ${covers.from}–${covers.to}, ` +
    `which are no longer shown]\n${text}\n[End of the summary]`
  );
}

/** An image that travels beside the text, with its bytes. */
export interface WireImage {
  readonly url: string;
  readonly label: string;
}

/** The images of a tool's result whose bytes are at hand, in order. */
export function imagesOf(
  message: ToolMessage,
  images: ReadonlyMap<string, string> | undefined,
): WireImage[] {
  return message.content.flatMap((part) => {
    const url = part.type === 'image' ? images?.get(part.artifact) : undefined;
    return url === undefined ? [] : [{ url, label: imageLabel(part as ImagePart) }];
  });
}

/** A tool's result as text; images and resources are named in their places. Never empty. */
export function toolText(
  { content, failure }: ToolMessage,
  images: ReadonlyMap<string, string> | undefined,
): string {
  const text = content
    .map((part) => {
      if (part.type === 'text') return part.text;
      if (part.type === 'resource') return resourceText(part);
      const label = imageLabel(part);
      return images?.has(part.artifact) === true ? `[${label}]` : `[${label}, not shown]`;
    })
    .join('\n');
  // Some endpoints refuse an empty result.
  return text === '' ? (failure?.message ?? '(no output)') : text;
}

/**
 * Arguments of an earlier tool call as every endpoint takes them. What the model wrote may be
 * malformed; OpenAI takes it back, but others parse it and would refuse this and every later
 * request of the session. So it goes back as a JSON value that shows what was written.
 */
export function callArguments(written: string): string {
  if (written.trim() === '') return '{}';
  try {
    JSON.parse(written);
    return written;
  } catch {
    return JSON.stringify({ malformed_arguments: written });
  }
}

function imageLabel(part: ImagePart): string {
  return `image ${part.artifact}, ${part.mediaType}`;
}

function resourceText({
  uri,
  name,
  mediaType,
}: Extract<ContentPart, { type: 'resource' }>): string {
  const title = name === undefined || name === uri ? '' : `${name} `;
  return `[resource ${title}${uri}${mediaType === undefined ? '' : `, ${mediaType}`}]`;
}
