/** The text of a message: from the arguments, or from standard input. */
import { UsageError, type CommandContext } from './context.js';

/** More than any message may have; the agent's own limit is checked where it is accepted. */
const MAX_INPUT_BYTES = 16 * 1024 * 1024;

/** Words of the command line as one text; standard input where there are none, or "-". */
export async function messageText(
  { terminal }: CommandContext,
  words: readonly string[],
  what = 'message',
): Promise<string> {
  const { stdin } = terminal.streams;
  const fromInput = words.length === 0 || (words.length === 1 && words[0] === '-');
  if (fromInput && stdin.isTTY) {
    throw new UsageError(`The ${what} is missing. Write it in quotes, or pipe it in.`);
  }
  const text = fromInput ? await readAll(stdin) : words.join(' ');
  if (text.trim() === '') throw new UsageError(`The ${what} is empty.`);
  return text;
}

async function readAll(input: NodeJS.ReadableStream): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    const buffer = Buffer.from(chunk);
    bytes += buffer.length;
    if (bytes > MAX_INPUT_BYTES) throw new UsageError('Standard input has more than 16 MiB.');
    chunks.push(buffer);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch {
    throw new UsageError(
      'Standard input is not UTF-8 text. Convert it, or put it in a file that a tool can read.',
    );
  }
}
