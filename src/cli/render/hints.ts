/** How to continue a session, printed when a command leaves it. Pure. */

/** A session that was started for one command alone is found by a stack in the same folder. */
interface Where {
  readonly ephemeral: boolean;
}

/** After a complete answer. */
export function comeBackText(session: string, { ephemeral }: Where): string {
  return `Continue with: perdura chat ${session}${first(ephemeral)}`;
}

/** After an answer that is missing or incomplete. */
export function lookAgainText(session: string, { ephemeral }: Where): string {
  return `Nothing is lost. Read it with: perdura show ${session}, or continue with: perdura chat ${session}${first(ephemeral)}`;
}

/** After a message whose answer was not waited for. */
export function answerText(session: string): string {
  return `Read the answer with: perdura show ${session} (or follow it with: perdura chat ${session})`;
}

function first(ephemeral: boolean): string {
  return ephemeral ? ' (start `perdura dev` first)' : '';
}
