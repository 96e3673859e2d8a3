/**
 * Server-sent events out of a byte stream. Only what model endpoints use: the `data` field.
 *
 * Why not the decoder of the `openai` package: it copies its whole buffer for every chunk,
 * hides whether `[DONE]` came, and prints what it cannot parse to the console.
 */

/**
 * Calls `onData` with the data of each event, in order, as soon as it is whole. Work is
 * proportional to the bytes, also for a line that comes in many pieces. An event that the end
 * of the stream cut short of its blank line is delivered as well: some servers leave out the
 * last newline. Rejects with what the stream or `onData` throws.
 */
export async function readServerSentEvents(
  body: AsyncIterable<Uint8Array>,
  onBytes: () => void,
  onData: (data: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  /** Pieces of a line whose end has not come yet. */
  let open: string[] = [];
  let data: string[] = [];

  const line = (text: string): void => {
    if (text.startsWith('data:')) {
      data.push(text.charCodeAt(5) === 0x20 ? text.slice(6) : text.slice(5));
    } else if (text === '' && data.length > 0) {
      const whole = data.length === 1 ? data[0]! : data.join('\n');
      data = [];
      onData(whole);
    }
  };

  for await (const bytes of body) {
    onBytes();
    const text = decoder.decode(bytes, { stream: true });
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      let whole = text.slice(start, end);
      if (open.length > 0) {
        open.push(whole);
        whole = open.join('');
        open = [];
      }
      line(whole.endsWith('\r') ? whole.slice(0, -1) : whole);
      start = end + 1;
    }
    if (start < text.length) open.push(text.slice(start));
  }
  if (open.length > 0) line(open.join(''));
  line('');
}
