/**
 * `fetch` for providers that may be silent longer than Node's own allows: it gives up after
 * 300 s without headers, or without a piece of the body, and cannot be told otherwise
 * (https://undici.nodejs.org/#/docs/api/Client: headersTimeout, bodyTimeout). What ends a silent
 * call is the provider's `stallTimeoutMs`.
 */

/** A provider that may be silent for longer, ms, gets it: Node's timers, less their coarseness. */
export const FETCH_SILENCE_MS = 290_000;

/** A `fetch` without timers of its own; `undici` is loaded with the first call. */
export function patientFetch(): typeof fetch {
  let made: Promise<typeof fetch> | undefined;
  return async (input, init) => (await (made ??= make()))(input, init);
}

async function make(): Promise<typeof fetch> {
  const undici = await import('undici');
  const dispatcher = new undici.Agent({ headersTimeout: 0, bodyTimeout: 0 });
  // The same code as Node's; TypeScript sees two declarations of its types.
  const call = undici.fetch as unknown as (
    input: Parameters<typeof fetch>[0],
    init: object,
  ) => ReturnType<typeof fetch>;
  return (input, init) => call(input, { ...init, dispatcher });
}
