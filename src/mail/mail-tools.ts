/**
 * The tools by which agents write to each other: `send_message`, `broadcast`, `list_agents`. Who may
 * write to whom, and how often in a row, is the policy of the agent; a model cannot talk its way
 * around it. An agent writes as its session, and cannot choose another sender.
 */
import { z } from 'zod';
import type { Agent, AgentReference } from '../contracts/agent.js';
import { tool } from '../contracts/define-tool.js';
import { PerduraError } from '../contracts/failures.js';
import type { SessionKey } from '../contracts/ids.js';
import { PRIORITIES } from '../contracts/mail.js';
import { matches, policyOf, type RuntimePolicy } from '../contracts/policy.js';
import type { Tool, ToolContext } from '../contracts/tool.js';
import type { Addressee } from '../store/mail-store.js';
import { MessageService, type MailParts } from './message-service.js';
import type { MailOrigin } from './outgoing-mail.js';

export interface MailToolDeps {
  readonly stores: MailParts['stores'];
  /** Rejects with `Agent.Unknown`. */
  readonly agent: (reference: AgentReference, tenant: string) => Promise<Agent>;
  readonly wake: (tenant: string, shard: number) => Promise<void>;
  readonly isRunning: (key: SessionKey) => Promise<boolean>;
}

/** A write to the store and a signal. */
const TIMEOUT_MS = 15_000;
const MOST_LISTED = 100;

const text = z.string().min(1).max(65_536).describe('The text of the message');
const priority = z.enum(PRIORITIES).default('normal');

export function createMailTools(deps: MailToolDeps): readonly Tool[] {
  const service = (tenant: string) =>
    new MessageService({
      tenant,
      stores: deps.stores,
      wake: (shard) => deps.wake(tenant, shard),
      isRunning: (session) => deps.isRunning({ tenant, session }),
    });
  const shape = { run: 'local', timeoutMs: TIMEOUT_MS } as const;
  return [
    tool({
      ...shape,
      name: 'send_message',
      description:
        'Sends a message to another agent or person by name, or to a group. It is delivered even if the receiver is busy or asleep; an answer, if there is one, comes later as a message to you. Use it to answer a message that an agent has sent you: your final text is not sent to it.',
      effect: 'keyed',
      parameters: z.object({
        to: z
          .string()
          .min(1)
          .max(80)
          .optional()
          .describe('Name of the receiver, as list_agents has it'),
        group: z.string().min(1).max(80).optional().describe('Instead of "to": name of a group'),
        text,
        reply_to: z
          .string()
          .max(100)
          .optional()
          .describe('Id of the message that this one answers'),
        priority,
      }),
      async execute({ to, group, text, reply_to: replyTo, priority }, context) {
        if ((to === undefined) === (group === undefined)) {
          throw new PerduraError('Message.Invalid', 'Name either "to" or "group".');
        }
        const message = { ...own(context, text), priority, replyTo };
        const origin = await originOf(deps, context);
        const messages = service(context.tenant);
        if (group !== undefined) {
          return sent(await messages.sendToGroup(group, message, origin));
        }
        await mayWrite(deps, context, to!);
        return sent(await messages.send({ ...message, to: to! }, origin));
      },
    }),
    tool({
      ...shape,
      name: 'broadcast',
      description:
        'Sends a message to every other agent, or to all that run the same kind of agent. Use it rarely: each of them has to read it.',
      effect: 'keyed',
      parameters: z.object({
        text,
        agent: z.string().max(64).optional().describe('Only to agents of this kind'),
        priority,
      }),
      async execute({ text, agent, priority }, context) {
        const { mayWriteTo } = await policyIn(deps, context);
        const allowed = mayWriteTo.some((name) => (agent ? matches(name, agent) : name === '*'));
        if (!allowed) throw notAllowed(context.agent, agent ?? 'everyone', mayWriteTo);
        const origin = await originOf(deps, context);
        const message = { ...own(context, text), priority, agent };
        return sent(await service(context.tenant).broadcast(message, origin));
      },
    }),
    tool({
      ...shape,
      name: 'list_agents',
      description: 'Lists the agents and people that you can write to, with what they do.',
      effect: 'read',
      parameters: z.object({
        agent: z.string().max(64).optional().describe('Only those of this kind'),
        group: z.string().max(80).optional().describe('Only members of this group'),
      }),
      async execute({ agent, group }, context) {
        const { mayWriteTo } = await policyIn(deps, context);
        const all = await service(context.tenant).addressees({
          ...(agent === undefined ? {} : { agent }),
          ...(group === undefined ? {} : { group }),
          limit: MOST_LISTED,
        });
        const shown = all.filter(
          (each) => each.name !== context.session && isAllowed(mayWriteTo, each),
        );
        return Promise.all(
          shown.map(async (each) => ({ ...each, ...(await describe(deps, each, context.tenant)) })),
        );
      },
    }),
  ];
}

/** The same id for every attempt of the call: the message is accepted once. */
function own({ session, idempotencyKey }: ToolContext, text: string) {
  return { id: `tool.${idempotencyKey}`, from: session, text };
}

/** Counts on from the messages that the turn has taken. Rejects with `Message.HopLimit`. */
async function originOf(deps: MailToolDeps, context: ToolContext): Promise<MailOrigin> {
  const { tenant, session, turn, agent } = context;
  const before = await deps.stores.mail.placeOfTurn({ tenant, session }, turn);
  const hop = (before?.hop ?? 0) + 1;
  const { maxHops } = await policyIn(deps, context);
  if (hop > maxHops) {
    throw new PerduraError(
      'Message.HopLimit',
      `Agents have sent ${hop - 1} messages in a row without a person; the agent "${agent}" may not send another one.`,
    );
  }
  return { hop, ...(before ? { root: before.root } : {}) };
}

async function policyIn(
  deps: MailToolDeps,
  { agent, tenant }: ToolContext,
): Promise<RuntimePolicy> {
  return policyOf(await deps.agent({ agent }, tenant));
}

async function mayWrite(deps: MailToolDeps, context: ToolContext, to: string): Promise<void> {
  const { tenant, agent } = context;
  const { mayWriteTo } = await policyIn(deps, context);
  const [addressee = { name: to, kind: 'agent' as const }] = await deps.stores.mail.find(tenant, [
    to,
  ]);
  if (!isAllowed(mayWriteTo, addressee)) throw notAllowed(agent, to, mayWriteTo);
}

/** By the name of the receiver, or by that of its agent. */
function isAllowed(mayWriteTo: readonly string[], { name, agent }: Addressee): boolean {
  return mayWriteTo.some(
    (each) => matches(each, name) || (agent !== undefined && matches(each, agent)),
  );
}

function notAllowed(agent: string, to: string, mayWriteTo: readonly string[]): PerduraError {
  const names = mayWriteTo.length === 0 ? 'nobody' : mayWriteTo.join(', ');
  return new PerduraError(
    'Message.NotAllowed',
    `The policy of the agent "${agent}" does not let it write to ${to}; it may write to: ${names}.`,
  );
}

async function describe(
  deps: MailToolDeps,
  { agent }: Addressee,
  tenant: string,
): Promise<{ description?: string }> {
  if (agent === undefined) return {};
  try {
    const { description } = await deps.agent({ agent }, tenant);
    return description === undefined ? {} : { description };
  } catch (error) {
    // Of another worker's configuration.
    if (error instanceof PerduraError && error.type === 'Agent.Unknown') return {};
    throw error;
  }
}

function sent({ id, receivers }: { readonly id: string; readonly receivers: number }): string {
  return `Accepted: message ${id}, for ${receivers === 1 ? 'one receiver' : `${receivers} receivers`}.`;
}
