/** Keeps keys out of messages. Pure. */

/** Shorter ones would blank out ordinary words; no provider's key is that short. Characters. */
const SHORTEST_SECRET = 6;

/**
 * `text` without the secrets, and without what looks like a key: providers quote the key that
 * they refuse, whole or in part.
 */
export function redact(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of secrets) {
    if (secret.length >= SHORTEST_SECRET) clean = clean.replaceAll(secret, '[redacted]');
  }
  return clean
    .replace(/\b(?:sk|pk|rk|gsk|xai|key)-[\w*.-]{6,}/gi, '[redacted]')
    .replace(/\bBearer\s+[\w*.~+/=-]{6,}/gi, 'Bearer [redacted]')
    .replace(/\bAIza[\w-]{10,}/g, '[redacted]');
}
