/** Where to go on with a session, said when a command leaves it. Pure. */

/** A session that was started for one command alone is found by a stack in the same folder. */
interface Where {
  readonly ephemeral: boolean;
}

/** For somebody who leaves in good order. */
export function comeBackText(session: string, { ephemeral }: Where): string {
  return `Come back with: perdura chat ${session}${first(ephemeral)}`;
}

/** For somebody who has no answer, or only a part of it. */
export function lookAgainText(session: string, { ephemeral }: Where): string {
  return `Nothing is lost: perdura show ${session}, or go on with perdura chat ${session}${first(ephemeral)}`;
}

/** For somebody who did not wait for an answer. */
export function answerText(session: string): string {
  return `The answer will be in: perdura show ${session} (or follow it with perdura chat ${session})`;
}

function first(ephemeral: boolean): string {
  return ephemeral ? ' (start `perdura dev` before)' : '';
}
