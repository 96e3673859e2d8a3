/** Tells on the terminal what comes down the stream: words as they are said, tools as they run. */
import type { StreamItem } from 'perdura';

export class Narrator {
  #streamed = 0;
  #atLineStart = true;

  say(text: string): void {
    if (!this.#atLineStart) process.stdout.write('\n');
    process.stdout.write(`${text}\n`);
    this.#atLineStart = true;
  }

  show(item: StreamItem, killed: number | undefined): void {
    switch (item.type) {
      case 'delta':
        if (item.channel !== 'text') return;
        process.stdout.write(item.text);
        this.#atLineStart = item.text.endsWith('\n');
        this.#streamed += item.text.length;
        return;
      case 'superseded':
        this.say(`(attempt ${item.attempt} was cut off; attempt ${item.by} says it again)`);
        this.#streamed = 0;
        return;
      case 'step.completed':
        // What the live stream has lost, the durable event has.
        if (item.text.length > this.#streamed) {
          process.stdout.write(item.text.slice(this.#streamed));
          this.#atLineStart = false;
        }
        this.#streamed = 0;
        for (const call of item.toolCalls ?? []) {
          this.say(`→ ${call.name} ${call.arguments.slice(0, 100)}`);
        }
        return;
      case 'tool.started':
        if (item.attempt > 1) {
          this.say(
            `↻ another worker takes over: ${item.name}, attempt ${item.attempt}${killed ? `, the same key` : ''}`,
          );
        }
        return;
      case 'tool.completed':
        this.say(
          `← ${item.name}: ${item.failure ? item.failure.message : `${item.bytes} bytes`} (${item.ms} ms)`,
        );
        return;
      case 'turn.failed':
        this.say(`The turn failed: ${item.failure.type}: ${item.failure.message}`);
        return;
      default:
        return;
    }
  }
}
