/**
 * What is read of a server's answers. More lenient than the SDK's schemas where one bad piece
 * would otherwise cost all the others: a list with one invalid tool, a result with one block
 * of a kind that is newer than this file.
 */
import { ToolSchema } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { clipText } from '../tools/text.js';
import { outputShape } from './output-shape.js';
import type { McpBlock, McpToolInfo } from './mcp-connection.js';

export const ToolPage = z.looseObject({
  tools: z.array(z.unknown()),
  nextCursor: z.string().optional(),
});

/** The tool, or why it is none. */
export function toolInfoOf(value: unknown): McpToolInfo | string {
  const parsed = ToolSchema.safeParse(value);
  if (!parsed.success) {
    const name = z.object({ name: z.string() }).safeParse(value).data?.name ?? '(unnamed)';
    const issue = parsed.error.issues[0];
    return `the tool ${JSON.stringify(clipText(name, 100))} is not valid (${issue?.path.join('.')}: ${issue?.message})`;
  }
  const { name, title, description, inputSchema, outputSchema, annotations, execution } =
    parsed.data;
  const yields = outputShape(outputSchema);
  return {
    name,
    ...(title === undefined ? {} : { title }),
    ...(description === undefined ? {} : { description }),
    inputSchema,
    ...(yields === undefined ? {} : { yields }),
    ...(annotations === undefined ? {} : { annotations }),
    needsTask: execution?.taskSupport === 'required',
  };
}

const Contents = z.object({
  uri: z.string(),
  mimeType: z.string().optional(),
  text: z.string().optional(),
  blob: z.string().optional(),
});

const Block = z.union([
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('image'), data: z.string(), mimeType: z.string() }),
  z.object({ type: z.literal('audio'), data: z.string(), mimeType: z.string() }),
  z
    .object({
      type: z.literal('resource_link'),
      uri: z.string(),
      name: z.string().optional(),
      mimeType: z.string().optional(),
    })
    .transform((link) => ({ ...link, type: 'link' as const })),
  z
    .object({ type: z.literal('resource'), resource: Contents })
    .transform(({ resource }) => ({ type: 'resource' as const, ...resource })),
  z.unknown().transform((value) => ({ type: 'other' as const, value })),
]) satisfies z.ZodType<McpBlock>;

export const CallResult = z.looseObject({
  content: z.array(Block).default([]),
  structuredContent: z.record(z.string(), z.unknown()).optional(),
  isError: z.boolean().optional(),
});

export const ReadResult = z.looseObject({ contents: z.array(Contents) });

export const PromptResult = z.looseObject({
  messages: z.array(z.object({ role: z.string(), content: Block })),
});

const described = {
  name: z.string(),
  description: z.string().optional(),
  mimeType: z.string().optional(),
};

export const ResourcePage = z.looseObject({
  resources: z.array(z.object({ uri: z.string(), ...described })),
  nextCursor: z.string().optional(),
});

export const TemplatePage = z.looseObject({
  resourceTemplates: z.array(z.object({ uriTemplate: z.string(), ...described })),
  nextCursor: z.string().optional(),
});

export const PromptPage = z.looseObject({
  prompts: z.array(
    z.object({
      name: z.string(),
      description: z.string().optional(),
      arguments: z
        .array(
          z.object({
            name: z.string(),
            description: z.string().optional(),
            required: z.boolean().default(false),
          }),
        )
        .default([]),
    }),
  ),
  nextCursor: z.string().optional(),
});
