/** `ask_user`: a question of the agent to a person, who answers it in the inbox, in hours or weeks. */
import { z } from 'zod';
import { tool } from '../contracts/define-tool.js';
import { ASK_USER } from '../contracts/requests.js';
import type { JsonSchema, Tool } from '../contracts/tool.js';

const MOST_CHOICES = 20;

/** The tool. An agent has it that lists it by name. */
export function askUserTool(): Tool {
  const declared = tool({
    name: ASK_USER,
    description:
      'Asks a person and waits for the answer, which may take long. Ask only what you cannot find out yourself. With "choices" the answer is one of them; with "form" it is an object with these fields; otherwise it is text.',
    run: 'person',
    effect: 'read',
    parameters: z.object({
      question: z.string().min(1).max(4_000).describe('The question, complete in itself.'),
      choices: z
        .array(z.string().min(1).max(200))
        .min(2)
        .max(MOST_CHOICES)
        .optional()
        .describe('Answers to choose from.'),
      form: z
        .record(z.string(), z.enum(['text', 'number', 'boolean']))
        .optional()
        .describe('Fields of the answer by name, each with the kind of its value.'),
    }),
  });
  return { ...declared, answers: answerSchema };
}

function answerSchema(args: unknown): JsonSchema {
  const { choices, form } = args as {
    readonly choices?: readonly string[];
    readonly form?: Readonly<Record<string, 'text' | 'number' | 'boolean'>>;
  };
  if (choices) return { type: 'string', enum: [...new Set(choices)] };
  if (!form) return { type: 'string', minLength: 1 };
  const fields = Object.entries(form).map(([name, kind]) => [
    name,
    { type: kind === 'text' ? 'string' : kind },
  ]);
  return {
    type: 'object',
    properties: Object.fromEntries(fields) as JsonSchema,
    required: Object.keys(form),
    additionalProperties: false,
  };
}
