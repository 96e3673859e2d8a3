/** Results of MCP servers as content for a model. Pure. */
import { ToolContent, type RawContentPart } from '../contracts/tool.js';
import { clipText, grouped } from '../tools/text.js';
import type {
  McpBlock,
  McpCallResult,
  McpPromptInfo,
  McpPromptMessage,
  McpResourceContents,
  McpResourceInfo,
} from './mcp-connection.js';

/** The result of a call; its structured content only where there is no other. */
export function contentOf({ content, structured, isError }: McpCallResult): ToolContent {
  const parts = content.map(partOf);
  if (parts.length === 0 && structured !== undefined) {
    parts.push({ type: 'text', text: JSON.stringify(structured) });
  }
  return new ToolContent(parts, isError);
}

export function resourceContent(contents: readonly McpResourceContents[]): ToolContent {
  return new ToolContent(
    contents.map((resource) =>
      resource.text === undefined ? partOfResource(resource) : text(resource.text),
    ),
  );
}

export function promptContent(messages: readonly McpPromptMessage[]): ToolContent {
  return new ToolContent(
    messages.flatMap(({ role, content }) => {
      const part = partOf(content);
      return part.type === 'text' ? [text(`${role}: ${part.text}`)] : [text(`${role}:`), part];
    }),
  );
}

/** One resource a line: `uri (name, type): description`. */
export function resourceLines(resources: readonly McpResourceInfo[]): string {
  if (resources.length === 0) return 'There are no resources.';
  return resources
    .map(({ uri, template, name, mimeType, description }) => {
      const about = [name, mimeType, ...(template ? ['template: fill in the braces'] : [])];
      return line(`${uri} (${about.filter(Boolean).join(', ')})`, description);
    })
    .join('\n');
}

/** One prompt a line: `name(argument, optional?): description`. */
export function promptLines(prompts: readonly McpPromptInfo[]): string {
  if (prompts.length === 0) return 'There are no prompts.';
  return prompts
    .map((prompt) => {
      const args = prompt.arguments.map(({ name, required }) => (required ? name : `${name}?`));
      return line(`${prompt.name}(${args.join(', ')})`, prompt.description);
    })
    .join('\n');
}

function partOf(block: McpBlock): RawContentPart {
  switch (block.type) {
    case 'text':
      return text(block.text);
    case 'image':
      return { type: 'image', mediaType: block.mimeType, data: block.data };
    case 'audio':
      return text(`[audio, ${block.mimeType}, ${sizeOf(block.data)} bytes: cannot be shown]`);
    case 'link':
      return resource(block);
    case 'resource':
      return block.text === undefined
        ? partOfResource(block)
        : text(`[resource ${block.uri}]\n${block.text}`);
    case 'other':
      return text(
        `[content of an unknown kind: ${clipText(JSON.stringify(block.value) ?? '', 500)}]`,
      );
  }
}

/** An image can be shown; other bytes are only named. */
function partOfResource({ uri, mimeType, blob }: McpResourceContents): RawContentPart {
  if (blob !== undefined && mimeType?.startsWith('image/')) {
    return { type: 'image', mediaType: mimeType, data: blob };
  }
  return resource({ uri, mimeType });
}

function resource(of: {
  uri: string;
  name?: string | undefined;
  mimeType?: string | undefined;
}): RawContentPart {
  return {
    type: 'resource',
    uri: of.uri,
    ...(of.name === undefined ? {} : { name: of.name }),
    ...(of.mimeType === undefined ? {} : { mediaType: of.mimeType }),
  };
}

function text(value: string): RawContentPart {
  return { type: 'text', text: value };
}

function line(head: string, description: string | undefined): string {
  return description ? `${head}: ${description.replace(/\s+/g, ' ')}` : head;
}

function sizeOf(base64: string): string {
  return grouped(Buffer.byteLength(base64, 'base64'));
}
