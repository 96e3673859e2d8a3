/** Tells on the terminal what comes down the streams of the team, a line for each thing. */
import type { Session, StreamItem } from 'perdura';

export class Narrator {
  say(text: string): void {
    console.log(text);
  }

  /** Until the signal is aborted. */
  async follow(session: Session, signal: AbortSignal): Promise<void> {
    for await (const item of session.events({ tree: true, signal })) {
      const line = lineOf(item);
      if (line !== undefined)
        this.say(`${[session.id, ...item.path.map(short)].join(' › ')}: ${line}`);
    }
  }
}

/** Sessions of sub-agents have long names. */
export function short(session: string): string {
  return session.length > 24 ? `${session.slice(0, 23)}…` : session;
}

function lineOf(item: StreamItem): string | undefined {
  switch (item.type) {
    case 'plan.made':
      return `makes a plan: ${stepsIn(item.steps)}`;
    case 'plan.changed':
      return item.because === 'failed'
        ? `${(item.failed ?? []).join(', ')} failed, so it plans anew: ${stepsIn(item.steps)}`
        : `plans more: ${stepsIn(item.steps)}`;
    case 'plan.step':
      return `${item.id} (${item.use}) ${item.state === 'done' ? 'is done' : `failed: ${item.failure?.message}`}`;
    case 'tool.started':
      return item.attempt > 1
        ? `↻ another worker takes over: ${item.name}, attempt ${item.attempt}, the same key`
        : undefined;
    case 'tool.completed':
      // Those of a plan have a line of their own.
      return item.name === 'make_plan' || /^p\d+-/.test(item.callId)
        ? undefined
        : `${item.name} → ${item.failure?.message ?? `${item.bytes} bytes`}`;
    case 'turn.completed':
      return 'has answered';
    case 'turn.failed':
      return `failed: ${item.failure.type}: ${item.failure.message}`;
    default:
      return undefined;
  }
}

function stepsIn(steps: readonly { readonly id: string; readonly use: string }[]): string {
  return steps.map(({ id, use }) => `${id} ${use}`).join(', ');
}
